// Recognises picture formats by their first bytes and reads width and height from the header,
// without decoding and without any library. Used at both doors: the manager's and the worker's.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/status.h"

namespace imgrec::media {

enum class ImageFormat { kJpeg, kPng, kWebp, kBmp, kTiff };

struct ImageHeader {
  ImageFormat format = ImageFormat::kJpeg;
  std::uint32_t width = 0;  // pixels as stored, before EXIF rotation
  std::uint32_t height = 0;
  // Of a TIFF file: pixels of its tiles, or strips, which may be larger than the picture.
  std::uint64_t block_pixels = 0;
  // What a decoder has to make room for at once.
  std::uint64_t pixels() const { return std::max(std::uint64_t{width} * height, block_pixels); }
};

// "640 x 480 pixels", and how large its blocks are where they are larger.
std::string describe_size(const ImageHeader& header);

// "image/jpeg"
std::string_view media_type(ImageFormat format);

// kUnsupported: not one of our formats; the text names what it seems to be where known (GIF, HEIC,
// AVIF, PDF, …) and what to send instead. kDataLoss: ours, but the header is cut or makes no sense.
// Sources: ITU T.81 (JPEG), RFC 2083 (PNG), RFC 9649 (WebP), TIFF 6.0, BITMAPINFOHEADER.
Result<ImageHeader> read_image_header(std::string_view bytes);

// True where the end of the file is present (JPEG EOI, PNG IEND, WebP and BMP lengths): a decoder
// may fill the rest of a cut file with grey and call it success.
bool is_complete(ImageFormat format, std::string_view bytes);

}  // namespace imgrec::media
