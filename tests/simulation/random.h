// The one source of chance. SplitMix64 (Steele, Lea, Flood 2014) with distributions of our own:
// those of the standard library differ between implementations, and a seed shall mean the same
// schedule everywhere.
//
// Thread rule: not shared; each schedule has its own.
// Owns: 64 bits.
#pragma once

#include <chrono>
#include <cstdint>

#include "proto/session.h"

namespace imgrec::simulation {

using proto::TimePoint;
using Duration = TimePoint::duration;

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // REQUIRES: n > 0.
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  // Both included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }  // in [0, 1)
  bool chance(double probability) { return unit() < probability; }

  // In whole microseconds, both included.
  Duration time(Duration low, Duration high) {
    using std::chrono::microseconds;
    const auto us = [](Duration d) {
      return static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(d).count());
    };
    return microseconds(between(us(low), us(high)));
  }
  // Around `mean`: evenly from a fifth of it to nine fifths.
  Duration about(Duration mean) { return time(mean / 5, mean * 9 / 5); }

 private:
  std::uint64_t state_;
};

}  // namespace imgrec::simulation
