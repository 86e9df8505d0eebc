#include "link/core/lateness_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace imgrec::link {

void LatenessHistogram::add(Duration time) {
  constexpr std::uint64_t kLargest = (std::uint64_t{1} << kTopBit) - 1;
  const Duration late = std::max(time, Duration(0));
  max_ = std::max(max_, late);
  ++count_;
  const std::uint64_t ns =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(late.count()), kLargest);
  std::size_t bucket = ns;  // each of the first has one of its own
  if (ns >> (kSubBits + 1) != 0) {
    const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - kSubBits - 1;
    bucket = (std::size_t{shift} << kSubBits) + (ns >> shift);
  }
  ++buckets_[bucket];
}

Duration LatenessHistogram::percentile(double q) const {
  if (count_ == 0) return Duration(0);
  const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  while ((seen += buckets_[bucket]) < rank) ++bucket;
  if (bucket >> (kSubBits + 1) == 0) return Duration(bucket);
  const unsigned shift = static_cast<unsigned>(bucket >> kSubBits) - 1;
  const std::uint64_t low = (bucket - (std::size_t{shift} << kSubBits)) << shift;
  return std::min(max_, Duration(low + (std::uint64_t{1} << shift) / 2));
}

}  // namespace imgrec::link
