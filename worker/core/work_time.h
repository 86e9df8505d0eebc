// How long pieces of work took: a histogram with fixed bounds, a count and a sum.
//
// Thread rule: plain value, not shared.
// Owns: its counts.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace imgrec::worker {

struct WorkTime {
  // Upper bounds of the buckets, each inclusive; the last bucket has none.
  static constexpr std::array<std::chrono::microseconds, 12> kBounds{
      {std::chrono::microseconds(2'500), std::chrono::milliseconds(5),
       std::chrono::milliseconds(10), std::chrono::milliseconds(25), std::chrono::milliseconds(50),
       std::chrono::milliseconds(100), std::chrono::milliseconds(250),
       std::chrono::milliseconds(500), std::chrono::seconds(1), std::chrono::milliseconds(2'500),
       std::chrono::seconds(5), std::chrono::seconds(10)}};

  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  std::uint64_t count = 0;
  std::chrono::microseconds sum{};

  void add(std::chrono::microseconds time) {
    const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), time);
    ++counts[static_cast<std::size_t>(bound - kBounds.begin())];
    ++count;
    sum += time;
  }

  WorkTime& operator+=(const WorkTime& more) {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += more.counts[i];
    count += more.count;
    sum += more.sum;
    return *this;
  }
};

}  // namespace imgrec::worker
