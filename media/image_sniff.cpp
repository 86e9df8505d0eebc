#include "media/image_sniff.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>

#include "media/byte_reader.h"

namespace imgrec::media {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;
};

constexpr std::array kOthers = {
    Signature{0, "GIF8"sv, "a GIF animation"},
    Signature{0, "%PDF"sv, "a PDF document"},
    Signature{0, "PK\3\4"sv, "a ZIP archive or an office document"},
    Signature{0, "PK\5\6"sv, "an empty ZIP archive"},
    Signature{0, "\xff\x0a"sv, "a JPEG XL image"},
    Signature{0, "\0\0\0\x0cJXL \r\n\x87\n"sv, "a JPEG XL image"},
    Signature{0, "\0\0\0\x0cjP  \r\n\x87\n"sv, "a JPEG 2000 image"},
    Signature{0, "\xff\x4f\xff\x51"sv, "a JPEG 2000 image"},
    Signature{128, "DICM"sv, "a DICOM medical image"},
    Signature{0, "II+\0"sv, "a BigTIFF image"},
    Signature{0, "MM\0+"sv, "a BigTIFF image"},
    Signature{0, "8BPS"sv, "a Photoshop document"},
    Signature{0, "\0\0\1\0"sv, "a Windows icon"},
    Signature{0, "\x76\x2f\x31\x01"sv, "an OpenEXR image"},
    Signature{0, "\x1f\x8b"sv, "a gzip archive"},
    Signature{0, "7z\xbc\xaf\x27\x1c"sv, "a 7-Zip archive"},
    Signature{0, "Rar!"sv, "a RAR archive"},
    Signature{0, "\x1a\x45\xdf\xa3"sv, "a WebM or Matroska video"},
    Signature{0,
              "\x7f"
              "ELF"sv,
              "a program"},
    Signature{0, "MZ"sv, "a program"},
};

// ISO base media files (ISO/IEC 14496-12) name their kind in the brand after "ftyp".
std::string_view describe_brand(std::string_view brand) {
  for (const std::string_view heif :
       {"heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1"}) {
    if (brand == heif) return "an HEIC or HEIF photo";
  }
  if (brand == "avif" || brand == "avis") return "an AVIF image";
  return "a video or another media file";
}

bool starts_with_ignoring_case(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char want, char have) {
           return std::tolower(static_cast<unsigned char>(have)) == want;
         });
}

std::string_view skip_space(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // byte order mark
  const auto first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

// Text: no control characters but white space in its first bytes.
bool is_text(std::string_view bytes) {
  return std::none_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7f || (byte < 0x20 && c != '\t' && c != '\r' && c != '\n' && c != '\f');
  });
}

std::string_view describe_text(std::string_view start) {
  const std::string_view text = skip_space(start);
  if (starts_with_ignoring_case(text, "<svg")) return "an SVG drawing";
  if (starts_with_ignoring_case(text, "<!doctype html") ||
      starts_with_ignoring_case(text, "<html")) {
    return "an HTML page";
  }
  const bool markup = starts_with_ignoring_case(text, "<?xml") ||
                      starts_with_ignoring_case(text, "<!doctype svg") || text.starts_with("<!--");
  if (markup && text.find("<svg") != std::string_view::npos) return "an SVG drawing";
  if (markup && text.find("<html") != std::string_view::npos) return "an HTML page";
  if (markup) return "an XML document";
  return "a text file";
}

// "BM" alone also begins texts. These are the header versions that were ever in use.
bool is_bmp_header_size(std::uint32_t size) {
  return size == 12 || size == 40 || size == 52 || size == 56 || size == 64 || size == 108 ||
         size == 124;
}

}  // namespace

std::optional<ImageFormat> sniff_format(std::string_view bytes) {
  if (bytes.starts_with("\xff\xd8\xff"sv)) return ImageFormat::kJpeg;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n"sv)) return ImageFormat::kPng;
  const ByteReader reader(bytes, Endian::kLittle);
  if (reader.has(0, "RIFF") && reader.has(8, "WEBP")) return ImageFormat::kWebp;
  if (reader.has(0, "BM") && is_bmp_header_size(reader.u32(14).value_or(0))) {
    return ImageFormat::kBmp;
  }
  if (bytes.starts_with("II*\0"sv) || bytes.starts_with("MM\0*"sv)) return ImageFormat::kTiff;
  return std::nullopt;
}

std::string_view describe_other(std::string_view bytes) {
  for (const Signature& known : kOthers) {
    if (bytes.size() > known.offset && bytes.substr(known.offset).starts_with(known.bytes)) {
      return known.name;
    }
  }
  if (bytes.size() >= 12 && bytes.substr(4, 4) == "ftyp") return describe_brand(bytes.substr(8, 4));
  const std::string_view start = bytes.substr(0, 1024);
  return is_text(start) ? describe_text(start) : std::string_view();
}

}  // namespace imgrec::media
