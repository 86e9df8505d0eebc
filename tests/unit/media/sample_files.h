// The smallest files of each format, made byte by byte. Test code only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace imgrec::media {

using namespace std::string_view_literals;

inline std::string big(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
  return text;
}
inline std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
  return text;
}

// The parts, one behind the other.
template <class... Parts>
std::string join(const Parts&... parts) {
  std::string text;
  (text.append(parts), ...);
  return text;
}

inline std::string jpeg_segment(unsigned marker, std::string_view content) {
  return join("\xff", big(marker, 1), big(content.size() + 2, 2), content);
}

// `before`: segments between SOI and the frame header.
inline std::string jpeg(unsigned width, unsigned height, std::string_view before = "",
                        unsigned frame_marker = 0xc0) {
  return join(
      "\xff\xd8", jpeg_segment(0xe0, "JFIF\0\1\1\0\0\1\0\1\0\0"sv), before,
      jpeg_segment(frame_marker, join("\x08", big(height, 2), big(width, 2), "\1\1\x11\0"sv)),
      jpeg_segment(0xda, "\1\1\0\0\x3f\0"sv), "\x12\xff\x00\x34\xff\xd0\x56"sv, "\xff\xd9");
}

inline std::string png_chunk(std::string_view type, std::string_view content) {
  return join(big(content.size(), 4), type, content, "CRC!");
}
inline std::string png(std::uint32_t width, std::uint32_t height) {
  return join("\x89PNG\r\n\x1a\n",
              png_chunk("IHDR", join(big(width, 4), big(height, 4), "\x08\x02\0\0\0"sv)),
              png_chunk("IDAT", "pixels"), png_chunk("IEND", ""));
}

inline std::string webp_chunk(std::string_view name, std::string_view content) {
  return join(name, little(content.size(), 4), content, std::string(content.size() % 2, '\0'));
}
inline std::string riff(std::string_view chunk, std::string_view content) {
  return join("RIFF", little(content.size() + 12, 4), "WEBP", chunk, little(content.size(), 4),
              content);
}
inline std::string webp_lossy(unsigned width, unsigned height) {
  return riff("VP8 ",
              join("\x30\1\2\x9d\x01\x2a", little(width, 2), little(height, 2), "more bytes."));
}
inline std::string webp_lossless(unsigned width, unsigned height) {
  return riff("VP8L", join("\x2f", little((width - 1) | (height - 1) << 14, 4), "bytes"));
}
// `flags`: 0x10 alpha, 8 Exif, 2 animation. `chunks` follow.
inline std::string webp_extended(unsigned width, unsigned height, char flags = '\x10',
                                 std::string_view chunks = {}) {
  const std::string head =
      join(std::string(1, flags), "\0\0\0"sv, little(width - 1, 3), little(height - 1, 3));
  return join("RIFF", little(4 + 8 + head.size() + chunks.size(), 4), "WEBPVP8X",
              little(head.size(), 4), head, chunks);
}

// 24 bits a pixel. `height` may be negative: rows from top to bottom.
inline std::string bmp(std::int32_t width, std::int32_t height) {
  const auto w = static_cast<std::uint32_t>(width);
  const auto h = static_cast<std::uint32_t>(height);
  const std::uint32_t size = (w * 24 + 31) / 32 * 4 * (height < 0 ? 0u - h : h);
  return join("BM", little(54 + size, 4), little(0, 4), little(54, 4), little(40, 4), little(w, 4),
              little(h, 4), little(1, 2), little(24, 2), little(0, 24), std::string(size, 'p'));
}
inline std::string bmp_core(unsigned width, unsigned height) {  // OS/2 1.x
  return join("BM", little(0, 4), little(0, 4), little(26, 4), little(12, 4), little(width, 2),
              little(height, 2), little(1, 2), little(24, 2),
              std::string((width * 24 + 31) / 32 * 4 * height, 'p'));
}

// `more`: tags and values of LONGs; tags are to be over 279.
inline std::string tiff(bool big_endian, std::uint32_t width, std::uint32_t height,
                        const std::vector<std::pair<unsigned, std::uint32_t>>& more = {}) {
  const auto number = [big_endian](std::uint64_t value, int bytes) {
    return big_endian ? big(value, bytes) : little(value, bytes);
  };
  constexpr unsigned kShort = 3;
  constexpr unsigned kLong = 4;
  const auto entry = [&](unsigned tag, unsigned type, std::uint32_t value) {
    return join(number(tag, 2), number(type, 2), number(1, 4),
                type == kShort ? join(number(value, 2), "\0\0"sv) : number(value, 4));
  };
  const unsigned type = width > 0xffff || height > 0xffff ? kLong : kShort;
  const std::string pixels = "strip of pixels!";
  std::string last;
  for (const auto& [tag, value] : more) last += entry(tag, kLong, value);
  return join(big_endian ? "MM\0*"sv : "II*\0"sv, number(8 + pixels.size(), 4), pixels,
              number(5 + more.size(), 2), entry(254, kLong, 0), entry(256, type, width),
              entry(257, type, height), entry(273, kLong, 8),
              entry(279, kLong, static_cast<std::uint32_t>(pixels.size())), last, number(0, 4));
}

}  // namespace imgrec::media
