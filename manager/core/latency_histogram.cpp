#include "manager/core/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace imgrec::manager {

// The position of the highest bit says which doubling, the next kSubBits which bucket of it.
std::size_t LatencyHistogram::bucket_of(std::uint32_t us) {
  constexpr std::uint32_t kLinear = 2u << kSubBits;
  if (us < kLinear) return us;
  const unsigned shift = static_cast<unsigned>(std::bit_width(us)) - kSubBits - 1;
  return (static_cast<std::size_t>(shift) << kSubBits) + (us >> shift);
}

std::uint32_t LatencyHistogram::middle_of(std::size_t bucket) {
  constexpr std::size_t kLinear = 2u << kSubBits;
  if (bucket < kLinear) return static_cast<std::uint32_t>(bucket);
  const std::size_t shift = (bucket >> kSubBits) - 1;
  const std::size_t step = bucket - (shift << kSubBits);
  const auto low = static_cast<std::uint64_t>(step) << shift;
  return static_cast<std::uint32_t>(low + ((1ull << shift) - 1) / 2);
}

void LatencyHistogram::add(std::chrono::microseconds time) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const auto us = static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.count(), 0, kMost));
  ++buckets_[bucket_of(us)];
  ++count_;
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  if (other.count_ == 0) return;
  for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
}

std::optional<std::chrono::microseconds> LatencyHistogram::percentile(double q) const {
  if (count_ == 0) return std::nullopt;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  const std::uint64_t rank = std::clamp<std::uint64_t>(wanted, 1, count_);
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  for (; bucket + 1 < kBuckets; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) break;
  }
  return std::chrono::microseconds(middle_of(bucket));
}

}  // namespace imgrec::manager
