#include <cstdint>
#include <optional>
#include <string_view>

#include "media/byte_reader.h"
#include "media/image_header.h"
#include "media/jpeg_markers.h"

namespace imgrec::media {
namespace {

// EOI need not be last: cameras put padding, previews or a whole video behind it. So the scans are
// walked from the front; a thumbnail's EOI lies within a segment and is never taken for this one.
bool jpeg_is_complete(std::string_view bytes) {
  JpegMarkers markers(bytes);
  while (const auto segment = markers.next()) {
    if (segment->marker == kJpegEoi) return true;
  }
  return false;
}

bool png_is_complete(std::string_view bytes) {
  const ByteReader reader(bytes, Endian::kBig);
  std::uint64_t at = 8;  // behind the signature
  while (const auto length = reader.u32(at)) {
    const std::uint64_t next = at + 12 + *length;  // length, type, content, CRC
    if (reader.has(at + 4, "IEND")) return next <= bytes.size();
    at = next;
  }
  return false;
}

bool webp_is_complete(std::string_view bytes) {
  const auto size = ByteReader(bytes, Endian::kLittle).u32(4);
  return size && bytes.size() >= std::uint64_t{*size} + 8;
}

// The file size in the header is often wrong; the pixels' own extent counts.
bool bmp_is_complete(std::string_view bytes) {
  const ByteReader reader(bytes, Endian::kLittle);
  const auto header = read_image_header(bytes);
  const auto pixels_at = reader.u32(10);
  const auto header_size = reader.u32(14);
  if (!header.ok() || !pixels_at || !header_size) return false;
  const bool core = *header_size == 12;
  const auto depth = reader.u16(core ? 24 : 28);
  const auto compression = core ? std::optional<std::uint32_t>(0) : reader.u32(30);
  const auto stated_size = core ? std::optional<std::uint32_t>(0) : reader.u32(34);
  if (!depth || !compression || !stated_size) return false;
  constexpr std::uint32_t kRgb = 0;
  constexpr std::uint32_t kBitFields = 3;
  std::uint64_t size = *stated_size;
  if (*compression == kRgb || *compression == kBitFields) {
    const std::uint64_t row = (std::uint64_t{header->width} * *depth + 31) / 32 * 4;
    // Both factors can be near 2^32: no file is that long.
    if (row != 0 && header->height > bytes.size() / row) return false;
    size = row * header->height;
  }
  return bytes.size() >= std::uint64_t{*pixels_at} + size;
}

// TIFF has no end mark: every strip or tile of the first directory must lie within the file.
bool tiff_is_complete(std::string_view bytes) {
  constexpr std::uint32_t kStripOffsets = 273;
  constexpr std::uint32_t kStripSizes = 279;
  constexpr std::uint32_t kTileOffsets = 324;
  constexpr std::uint32_t kTileSizes = 325;
  constexpr std::uint32_t kTypeShort = 3;
  constexpr std::uint32_t kTypeLong = 4;
  const ByteReader reader(bytes, tiff_endian(bytes));
  const auto directory = reader.u32(4);
  const auto entries = directory ? reader.u16(*directory) : std::nullopt;
  if (!entries) return false;
  struct Array {
    std::uint64_t at = 0;
    std::uint32_t count = 0;
    unsigned size = 0;  // of one value
  };
  std::optional<Array> offsets;
  std::optional<Array> sizes;
  for (std::uint32_t i = 0; i < *entries; ++i) {
    const std::uint64_t entry = std::uint64_t{*directory} + 2 + std::uint64_t{i} * 12;
    const auto tag = reader.u16(entry);
    const auto type = reader.u16(entry + 2);
    const auto count = reader.u32(entry + 4);
    const auto value = reader.u32(entry + 8);
    if (!tag || !type || !count || !value) return false;
    const bool is_offsets = *tag == kStripOffsets || *tag == kTileOffsets;
    if (!is_offsets && *tag != kStripSizes && *tag != kTileSizes) continue;
    if (*type != kTypeShort && *type != kTypeLong) return false;
    const unsigned size = *type == kTypeShort ? 2 : 4;
    const bool inside = std::uint64_t{*count} * size <= 4;
    (is_offsets ? offsets : sizes) = Array{inside ? entry + 8 : *value, *count, size};
  }
  if (!offsets || !sizes || offsets->count == 0 || offsets->count != sizes->count) return false;
  for (std::uint32_t i = 0; i < offsets->count; ++i) {  // ends with the file at the latest
    const auto at = reader.number(offsets->at + std::uint64_t{i} * offsets->size, offsets->size);
    const auto size = reader.number(sizes->at + std::uint64_t{i} * sizes->size, sizes->size);
    if (!at || !size || std::uint64_t{*at} + *size > bytes.size()) return false;
  }
  return true;
}

}  // namespace

bool is_complete(ImageFormat format, std::string_view bytes) {
  switch (format) {
    case ImageFormat::kJpeg:
      return jpeg_is_complete(bytes);
    case ImageFormat::kPng:
      return png_is_complete(bytes);
    case ImageFormat::kWebp:
      return webp_is_complete(bytes);
    case ImageFormat::kBmp:
      return bmp_is_complete(bytes);
    case ImageFormat::kTiff:
      return tiff_is_complete(bytes);
  }
  return false;
}

}  // namespace imgrec::media
