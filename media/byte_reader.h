// Reads numbers out of bytes from outside, never past their end.
//
// Thread rule: plain value. Owns nothing: borrows the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace imgrec::media {

enum class Endian { kBig, kLittle };

class ByteReader {
 public:
  ByteReader(std::string_view bytes, Endian endian) : bytes_(bytes), endian_(endian) {}

  // `size` bytes (1 to 4) at `offset` as an unsigned number; nullopt: they are not all there.
  std::optional<std::uint32_t> number(std::uint64_t offset, unsigned size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) return std::nullopt;
    std::uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
      const unsigned at = endian_ == Endian::kBig ? i : size - 1 - i;
      value = value << 8 | static_cast<unsigned char>(bytes_[offset + at]);
    }
    return value;
  }
  std::optional<std::uint32_t> u8(std::uint64_t offset) const { return number(offset, 1); }
  std::optional<std::uint32_t> u16(std::uint64_t offset) const { return number(offset, 2); }
  std::optional<std::uint32_t> u24(std::uint64_t offset) const { return number(offset, 3); }
  std::optional<std::uint32_t> u32(std::uint64_t offset) const { return number(offset, 4); }

  // True: `text` stands at `offset`.
  bool has(std::uint64_t offset, std::string_view text) const {
    return offset <= bytes_.size() && bytes_.substr(offset).starts_with(text);
  }

 private:
  std::string_view bytes_;
  Endian endian_;
};

// Of a TIFF file, by its first two letters.
inline Endian tiff_endian(std::string_view bytes) {
  return bytes.starts_with("II") ? Endian::kLittle : Endian::kBig;
}

}  // namespace imgrec::media
