// The emulator's one source of chance. SplitMix64 (Steele, Lea, Flood 2014) with distributions of
// our own: those of the standard library differ between implementations, and a seed shall mean the
// same losses everywhere.
//
// Thread rule: not shared. Owns: 64 bits.
#pragma once

#include <cmath>
#include <cstdint>

namespace imgrec::link {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }  // in [0, 1)
  bool chance(double probability) { return unit() < probability; }
  double symmetric() { return 2 * unit() - 1; }  // evenly in [-1, 1)

  // Normal with mean 0 and deviation 1, by Box and Muller, cut at four deviations (one draw in
  // 16 000 is thrown again) so that it has a bound.
  double normal() {
    for (;;) {
      const double radius = std::sqrt(-2 * std::log(1 - unit()));
      const double value = radius * std::cos(2 * 3.14159265358979323846 * unit());
      if (std::fabs(value) <= 4) return value;
    }
  }

 private:
  std::uint64_t state_;
};

}  // namespace imgrec::link
