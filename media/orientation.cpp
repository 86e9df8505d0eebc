#include "media/orientation.h"

#include <cstdint>

#include "media/byte_reader.h"
#include "media/jpeg_markers.h"

namespace imgrec::media {
namespace {

using namespace std::string_view_literals;

constexpr std::uint32_t kApp1 = 0xe1;
constexpr std::string_view kExif = "Exif\0\0"sv;

// `tiff`: what an Exif part holds, which is a small TIFF file. Only its first directory counts:
// the second is the thumbnail's.
Orientation tiff_orientation(std::string_view tiff) {
  constexpr std::uint32_t kTagOrientation = 274;
  if (!tiff.starts_with("II*\0"sv) && !tiff.starts_with("MM\0*"sv)) return Orientation::kUpright;
  const ByteReader reader(tiff, tiff_endian(tiff));
  const auto directory = reader.u32(4);
  const auto entries = directory ? reader.u16(*directory) : std::nullopt;
  for (std::uint32_t i = 0; entries && i < *entries; ++i) {  // ends with the segment at the latest
    const std::uint64_t entry = std::uint64_t{*directory} + 2 + std::uint64_t{i} * 12;
    const auto tag = reader.u16(entry);
    const auto value = reader.u16(entry + 8);
    if (!tag || !value) break;
    if (*tag != kTagOrientation) continue;
    if (*value < 1 || *value > 8) break;
    return static_cast<Orientation>(*value);
  }
  return Orientation::kUpright;
}

}  // namespace

Orientation jpeg_orientation(std::string_view bytes) {
  JpegMarkers markers(bytes);
  while (const auto segment = markers.next()) {
    if (!segment->makes_sense || segment->marker == kJpegSos || segment->marker == kJpegEoi) break;
    if (segment->marker != kApp1 || segment->content > bytes.size()) continue;
    const std::string_view content = bytes.substr(segment->content, segment->length);
    if (content.starts_with(kExif)) return tiff_orientation(content.substr(kExif.size()));
  }
  return Orientation::kUpright;
}

Orientation webp_orientation(std::string_view bytes) {
  const ByteReader reader(bytes, Endian::kLittle);
  std::uint64_t at = 12;                                      // behind "RIFF", a length and "WEBP"
  if (!reader.has(at, "VP8X")) return Orientation::kUpright;  // only those have more than pixels
  while (const auto length = reader.u32(at + 4)) {
    constexpr std::uint64_t kHead = 8;
    if (reader.has(at, "EXIF")) {
      std::string_view content = bytes.substr(at + kHead, *length);
      // Some programs put in front what a JPEG segment begins with.
      if (content.starts_with(kExif)) content.remove_prefix(kExif.size());
      return tiff_orientation(content);
    }
    at += kHead + *length + *length % 2;
  }
  return Orientation::kUpright;
}

}  // namespace imgrec::media
