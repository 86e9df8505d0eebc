// Images/s and bits/s over the last seconds and over all time.
//
// Thread rule: confined to one thread. Owns: one bucket a second for the last minute.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "manager/core/scheduler.h"

namespace imgrec::manager {

class RateMeter {
 public:
  struct Rate {
    double images_per_s = 0;
    double bits_per_s = 0;
  };

  explicit RateMeter(TimePoint start) : start_(start) {}

  // One image of `bytes` was answered. REQUIRES: `now` never goes back.
  void add(TimePoint now, std::uint64_t bytes);

  // Mean over the last `window`, or since the start where that is less.
  // REQUIRES: 1 s <= window <= 60 s.
  Rate over(std::chrono::seconds window, TimePoint now) const;

  // Mean since the start.
  Rate overall(TimePoint now) const;

  // Since the start.
  std::uint64_t images() const { return images_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr std::int64_t kBuckets = 61;  // a minute, and the second that has begun
  struct Bucket {
    std::int64_t second = -1;  // since start; tells a fresh bucket from one of an earlier lap
    std::uint64_t images = 0;
    std::uint64_t bytes = 0;
  };

  TimePoint start_;
  std::array<Bucket, kBuckets> buckets_{};
  std::uint64_t images_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace imgrec::manager
