#include "media/image_header.h"

#include <optional>
#include <string>

#include "media/byte_reader.h"
#include "media/image_sniff.h"
#include "media/jpeg_markers.h"

namespace imgrec::media {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kWhatToSend = "send a JPEG, PNG, WebP, BMP or TIFF picture instead";

std::string_view name(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "JPEG";
    case ImageFormat::kPng:
      return "PNG";
    case ImageFormat::kWebp:
      return "WebP";
    case ImageFormat::kBmp:
      return "BMP";
    case ImageFormat::kTiff:
      return "TIFF";
  }
  return "image";
}

Status damaged(ImageFormat format, std::string_view why) {
  std::string text("this ");
  text.append(name(format)).append(" file is damaged: ").append(why);
  text.append("; save the picture again and send the copy");
  return Status(StatusCode::kDataLoss, std::move(text));
}

Status cut(ImageFormat format) { return damaged(format, "it ends within its header"); }

Result<ImageHeader> checked(ImageFormat format, std::optional<std::uint32_t> width,
                            std::optional<std::uint32_t> height) {
  if (!width || !height) return cut(format);
  if (*width == 0 || *height == 0) return damaged(format, "its width or height is zero");
  return ImageHeader{format, *width, *height, 0};
}

// ---- JPEG: ITU T.81, annex B --------------------------------------------------------------------

// Start of frame: C0 to CF but for DHT (C4), JPG (C8) and DAC (CC).
bool is_start_of_frame(std::uint32_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

Result<ImageHeader> read_jpeg(std::string_view bytes) {
  constexpr auto kFormat = ImageFormat::kJpeg;
  const ByteReader reader(bytes, Endian::kBig);
  JpegMarkers markers(bytes);
  while (const auto segment = markers.next()) {
    if (!segment->makes_sense) return damaged(kFormat, "a segment has an impossible length");
    if (segment->marker == kJpegSos || segment->marker == kJpegEoi) {
      return damaged(kFormat, "it gives no size before the picture");
    }
    if (!is_start_of_frame(segment->marker)) continue;
    if (segment->length < 6) return damaged(kFormat, "its frame header is too short");
    return checked(kFormat, reader.u16(segment->content + 3), reader.u16(segment->content + 1));
  }
  return cut(kFormat);
}

// ---- PNG: RFC 2083 ------------------------------------------------------------------------------

Result<ImageHeader> read_png(std::string_view bytes) {
  constexpr auto kFormat = ImageFormat::kPng;
  const ByteReader reader(bytes, Endian::kBig);
  const auto length = reader.u32(8);
  if (!length || bytes.size() < 33) return cut(kFormat);  // signature 8, IHDR 8 + 13 + 4
  if (*length != 13 || !reader.has(12, "IHDR")) {
    return damaged(kFormat, "it does not begin with an IHDR chunk");
  }
  const auto width = reader.u32(16);
  const auto height = reader.u32(20);
  if (*width > 0x7fffffff || *height > 0x7fffffff) {
    return damaged(kFormat, "its width or height is impossible");
  }
  return checked(kFormat, width, height);
}

// ---- WebP: RFC 9649 -----------------------------------------------------------------------------

Result<ImageHeader> read_webp(std::string_view bytes) {
  constexpr auto kFormat = ImageFormat::kWebp;
  const ByteReader reader(bytes, Endian::kLittle);
  constexpr std::uint64_t kChunk = 20;  // content of the first chunk
  if (bytes.size() < kChunk) return cut(kFormat);
  if (reader.has(12, "VP8 ")) {
    if (bytes.size() < kChunk + 10) return cut(kFormat);
    if (!reader.has(kChunk + 3, "\x9d\x01\x2a"sv)) return damaged(kFormat, "no VP8 start code");
    return checked(kFormat, *reader.u16(kChunk + 6) & 0x3fff, *reader.u16(kChunk + 8) & 0x3fff);
  }
  if (reader.has(12, "VP8L")) {
    const auto bits = reader.u32(kChunk + 1);
    if (!bits) return cut(kFormat);
    if (!reader.has(kChunk, "\x2f")) return damaged(kFormat, "no VP8L signature");
    return checked(kFormat, (*bits & 0x3fff) + 1, (*bits >> 14 & 0x3fff) + 1);
  }
  if (reader.has(12, "VP8X")) {
    constexpr std::uint32_t kAnimation = 0x02;
    const auto flags = reader.u8(kChunk);
    if (flags && (*flags & kAnimation) != 0) {
      return Status(StatusCode::kUnsupported,
                    "this WebP file is an animation; " + std::string(kWhatToSend));
    }
    const auto width = reader.u24(kChunk + 4);
    const auto height = reader.u24(kChunk + 7);
    if (!width || !height) return cut(kFormat);
    return checked(kFormat, *width + 1, *height + 1);
  }
  return damaged(kFormat, "its first chunk is of no known kind");
}

// ---- BMP: BITMAPCOREHEADER, BITMAPINFOHEADER and its successors
// -------------------------------------

Result<ImageHeader> read_bmp(std::string_view bytes) {
  constexpr auto kFormat = ImageFormat::kBmp;
  const ByteReader reader(bytes, Endian::kLittle);
  const auto header_size = reader.u32(14);
  if (!header_size) return cut(kFormat);
  if (*header_size == 12) return checked(kFormat, reader.u16(18), reader.u16(20));
  if (*header_size < 40) return damaged(kFormat, "its header is of no known kind");
  const auto width = reader.u32(18);
  auto height = reader.u32(22);
  if (width && *width > 0x7fffffff) return damaged(kFormat, "its width is negative");
  // A negative height means that the rows go from top to bottom.
  if (height && *height > 0x7fffffff) height = 0u - *height;
  return checked(kFormat, width, height);
}

// ---- TIFF 6.0 -----------------------------------------------------------------------------------

struct TiffSizes {
  std::optional<std::uint32_t> width;
  std::optional<std::uint32_t> height;
  std::optional<std::uint32_t> rows_per_strip;
  std::optional<std::uint32_t> tile_width;
  std::optional<std::uint32_t> tile_height;

  // Where the value of this tag goes; null: it is no size.
  std::optional<std::uint32_t>* of(std::uint32_t tag) {
    switch (tag) {
      case 256:
        return &width;
      case 257:
        return &height;
      case 278:
        return &rows_per_strip;
      case 322:
        return &tile_width;
      case 323:
        return &tile_height;
      default:
        return nullptr;
    }
  }

  // REQUIRES: width and height.
  std::uint64_t block_pixels() const {
    constexpr std::uint32_t kAllRows = 0xffffffff;
    if (tile_width || tile_height) {
      return std::uint64_t{tile_width.value_or(*width)} * tile_height.value_or(*height);
    }
    const std::uint32_t rows = rows_per_strip.value_or(kAllRows);
    return std::uint64_t{*width} * (rows == kAllRows ? *height : rows);
  }
};

constexpr std::uint32_t kTypeShort = 3;
constexpr std::uint32_t kTypeLong = 4;

// The first directory only; it holds at most 65535 entries of 12 bytes, all within the file.
Result<ImageHeader> read_tiff(std::string_view bytes) {
  constexpr auto kFormat = ImageFormat::kTiff;
  const ByteReader reader(bytes, tiff_endian(bytes));
  const auto directory = reader.u32(4);
  if (!directory) return cut(kFormat);
  const auto entries = reader.u16(*directory);
  if (!entries) return damaged(kFormat, "its directory is beyond its end");
  TiffSizes sizes;
  for (std::uint32_t i = 0; i < *entries; ++i) {
    const std::uint64_t entry = std::uint64_t{*directory} + 2 + std::uint64_t{i} * 12;
    const auto tag = reader.u16(entry);
    const auto type = reader.u16(entry + 2);
    const auto count = reader.u32(entry + 4);
    const auto value_long = reader.u32(entry + 8);
    if (!tag || !type || !count || !value_long) return cut(kFormat);
    std::optional<std::uint32_t>* size = sizes.of(*tag);
    if (size == nullptr) continue;
    if (*count != 1 || (*type != kTypeShort && *type != kTypeLong)) {
      return damaged(kFormat, "a size in it is of no known type");
    }
    // A short stands in the first two bytes of the field, whatever the byte order.
    *size = *type == kTypeShort ? reader.u16(entry + 8) : value_long;
  }
  if (!sizes.width || !sizes.height) {
    return damaged(kFormat, "its directory gives no width or no height");
  }
  Result<ImageHeader> header = checked(kFormat, sizes.width, sizes.height);
  if (header.ok()) header->block_pixels = sizes.block_pixels();
  return header;
}

}  // namespace

std::string describe_size(const ImageHeader& header) {
  std::string text =
      std::to_string(header.width) + " x " + std::to_string(header.height) + " pixels";
  if (header.pixels() > std::uint64_t{header.width} * header.height) {
    text += " in blocks of " + std::to_string(header.block_pixels);
  }
  return text;
}

std::string_view media_type(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "image/jpeg";
    case ImageFormat::kPng:
      return "image/png";
    case ImageFormat::kWebp:
      return "image/webp";
    case ImageFormat::kBmp:
      return "image/bmp";
    case ImageFormat::kTiff:
      return "image/tiff";
  }
  return "application/octet-stream";
}

Result<ImageHeader> read_image_header(std::string_view bytes) {
  if (bytes.empty()) return Status(StatusCode::kInvalidArgument, "the file is empty");
  const auto format = sniff_format(bytes);
  if (!format) {
    const std::string_view other = describe_other(bytes);
    std::string text("this ");
    text.append(other.empty() ? "is no picture that can be read here" : "seems to be ");
    text.append(other).append("; ").append(kWhatToSend);
    return Status(StatusCode::kUnsupported, std::move(text));
  }
  switch (*format) {
    case ImageFormat::kJpeg:
      return read_jpeg(bytes);
    case ImageFormat::kPng:
      return read_png(bytes);
    case ImageFormat::kWebp:
      return read_webp(bytes);
    case ImageFormat::kBmp:
      return read_bmp(bytes);
    case ImageFormat::kTiff:
      return read_tiff(bytes);
  }
  return Status(StatusCode::kInternal, "unknown picture format");
}

}  // namespace imgrec::media
