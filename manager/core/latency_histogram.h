// How long things took, as counts in buckets whose width grows with the time: percentiles of any
// number of samples in fixed memory, wrong by 3 % at most. (HdrHistogram's layout, coarser.)
//
// Thread rule: confined to one thread. Owns: its counters, 2 KiB.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace imgrec::manager {

class LatencyHistogram {
 public:
  // Less than nothing counts as nothing, more than an hour as the largest there is.
  void add(std::chrono::microseconds time);
  void merge(const LatencyHistogram& other);
  void clear() { *this = {}; }

  std::uint64_t count() const { return count_; }
  // The time that a share `q` of the samples did not exceed (nearest rank): the middle of its
  // bucket. nullopt: no samples. REQUIRES: 0 < q <= 1.
  std::optional<std::chrono::microseconds> percentile(double q) const;

 private:
  // 16 buckets for each doubling; below 32 us each has a bucket of its own.
  static constexpr unsigned kSubBits = 4;
  static constexpr std::size_t kBuckets = (32 - kSubBits + 1) << kSubBits;
  static std::size_t bucket_of(std::uint32_t us);
  static std::uint32_t middle_of(std::size_t bucket);

  std::array<std::uint32_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace imgrec::manager
