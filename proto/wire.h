// Network byte order: numbers and strings of a payload, one after the other.
//
// Thread rule: not shared.
// Owns: the Writer owns its bytes; the Reader borrows those it reads.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/status.h"
#include "proto/text.h"

namespace imgrec::proto {

template <std::unsigned_integral T>
void store_big_endian(T value, char* at) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    at[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * (sizeof(T) - 1 - i))));
  }
}

template <std::unsigned_integral T>
T load_big_endian(const char* at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((static_cast<std::uint64_t>(value) << 8) |
                           static_cast<unsigned char>(at[i]));
  }
  return value;
}

class Writer {
 public:
  template <std::unsigned_integral T>
  void number(T value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    store_big_endian(value, bytes_.data() + at);
  }
  void real(float value) { number(std::bit_cast<std::uint32_t>(value)); }
  void flag(bool value) { number<std::uint8_t>(value ? 1 : 0); }
  // Length as u16, then the bytes. What is over `max_bytes` is cut off between characters.
  // REQUIRES: max_bytes <= 65535.
  void text(std::string_view value, std::size_t max_bytes) {
    value = cut_text(value, max_bytes);
    number(static_cast<std::uint16_t>(value.size()));
    bytes_ += value;
  }

  // Exactly `count` bytes, without a length. REQUIRES: value.size() == count.
  void bytes(std::string_view value, std::size_t count) {
    const std::size_t at = bytes_.size();
    bytes_ += value;
    bytes_.resize(at + count);
  }

  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads fields in order. The first failure is kept and everything after it reads as zero, so a
// message is read in a straight line and finish() tells whether it can be used.
class Reader {
 public:
  // `message`: its name on the wire, for error texts.
  Reader(std::string_view message, std::string_view bytes) : message_(message), rest_(bytes) {}

  template <std::unsigned_integral T>
  T number(std::string_view field) {
    const std::string_view bytes = take(sizeof(T), field);
    return bytes.empty() ? T{0} : load_big_endian<T>(bytes.data());
  }
  float real(std::string_view field) { return std::bit_cast<float>(number<std::uint32_t>(field)); }
  bool flag(std::string_view field) {
    const auto value = number<std::uint8_t>(field);
    require(value <= 1, field, "is neither 0 nor 1");
    return value == 1;
  }
  // As sent, borrowed; "" after a failure.
  std::string_view text(std::string_view field, std::size_t max_bytes) {
    const auto length = number<std::uint16_t>(field);
    if (length > max_bytes) {
      fail(field, "has " + std::to_string(length) + " bytes; at most " + std::to_string(max_bytes) +
                      " are allowed");
    }
    return take(length, field);
  }
  // Exactly `count` bytes, borrowed; "" after a failure.
  std::string_view bytes(std::string_view field, std::size_t count) { return take(count, field); }
  std::string_view rest() { return take(rest_.size(), "the rest"); }

  void require(bool condition, std::string_view field, std::string_view complaint) {
    if (!condition) fail(field, complaint);
  }
  bool ok() const { return status_.ok(); }
  std::size_t bytes_left() const { return rest_.size(); }

  // OK when every field was there and in range, and nothing is left over.
  Status finish() {
    if (ok() && !rest_.empty()) {
      fail("the payload", "has " + std::to_string(rest_.size()) + " bytes after its last field");
    }
    return status_;
  }

 private:
  std::string_view take(std::size_t count, std::string_view field) {
    if (!ok()) return {};
    if (count > rest_.size()) {
      fail(field, "is cut short by the end of the payload");
      return {};
    }
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

  void fail(std::string_view field, std::string_view complaint) {
    if (!ok()) return;
    std::string text(message_);
    text.append(": ").append(field).append(" ").append(complaint);
    status_ = Status(StatusCode::kInvalidArgument, std::move(text));
  }

  std::string_view message_;
  std::string_view rest_;
  Status status_;
};

}  // namespace imgrec::proto
