// Random numbers that are the same on every machine: SplitMix64 (Steele, Lea and Flood, 2014). What
// the standard library's distributions give is each library's own business.
//
// Thread rule: one thread at a time. Owns: its state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace imgrec::training {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 to `end` - 1, evenly enough for ends below 2^32. REQUIRES: end > 0.
  std::uint64_t below(std::uint64_t end) { return (next() >> 32) * end >> 32; }
  // 0 to just below 1, evenly.
  double fraction() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  bool coin() { return (next() >> 63) != 0; }

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace imgrec::training
