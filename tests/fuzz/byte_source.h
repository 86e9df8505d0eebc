// A fuzz input's first bytes as decisions, the rest as what the parser under test is fed.
//
// Thread rule: not shared. Borrows the input.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace imgrec::fuzz {

class ByteSource {
 public:
  ByteSource(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  // 0 where the input is used up.
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

// Cuts bytes into slices whose lengths follow from a seed: many short ones, some long.
class Slicer {
 public:
  Slicer(std::string_view bytes, std::uint8_t seed) : rest_(bytes), state_(seed) {}

  bool done() const { return rest_.empty(); }
  // REQUIRES: !done().
  std::string_view next() {
    state_ = state_ * 1103515245u + 12345u;  // the C standard's example generator
    const std::uint32_t draw = state_ >> 16;
    const std::size_t longest = draw % 4 == 0 ? 512 : 16;
    const std::size_t count = std::min<std::size_t>(1 + (draw >> 2) % longest, rest_.size());
    const std::string_view slice = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return slice;
  }
  std::uint32_t draw() const { return state_ >> 16; }

 private:
  std::string_view rest_;
  std::uint32_t state_;
};

// Ends the program where a property does not hold, so that the fuzzer keeps the input.
inline void require(bool property) {
  if (!property) __builtin_trap();
}

}  // namespace imgrec::fuzz
