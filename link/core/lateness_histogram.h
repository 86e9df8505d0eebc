// How late deliveries were: percentiles of any number of samples in fixed memory, wrong by 4 % at
// most. Buckets widen with the time, 16 for each doubling.
//
// Thread rule: not shared. Owns: its counters, 5 KiB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "link/core/link_time.h"

namespace imgrec::link {

class LatenessHistogram {
 public:
  // Less than nothing counts as nothing, more than an hour as the largest that there is.
  void add(Duration time);
  std::uint64_t count() const { return count_; }
  // The time that a share `q` of the samples did not exceed: the middle of its bucket, 0 without
  // samples. REQUIRES: 0 < q <= 1.
  Duration percentile(double q) const;
  Duration max() const { return max_; }  // exact

 private:
  static constexpr unsigned kSubBits = 4;
  static constexpr unsigned kTopBit = 42;  // 2^42 ns are 73 minutes
  static constexpr std::size_t kBuckets = (kTopBit - kSubBits + 1) << kSubBits;

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  Duration max_{0};
};

}  // namespace imgrec::link
