// How a camera was held when it took a picture, as the Exif part of a JPEG or WebP file says: how
// the stored pixels must be turned and mirrored to stand upright.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <string_view>

namespace imgrec::media {

// Exif 2.3, tag 274; the numbers are the file's. The names say what makes the stored picture
// upright.
enum class Orientation : unsigned char {
  kUpright = 1,
  kMirror = 2,      // left and right change places
  kTurnHalf = 3,    // by 180 degrees
  kFlip = 4,        // top and bottom change places
  kTranspose = 5,   // rows become columns
  kTurnRight = 6,   // by 90 degrees, clockwise
  kTransverse = 7,  // as kTranspose, over the other diagonal
  kTurnLeft = 8,    // by 90 degrees, counter-clockwise
};

// True where an upright picture is as wide as the stored one is high.
constexpr bool swaps_sides(Orientation orientation) {
  return orientation >= Orientation::kTranspose;
}

// kUpright where the file does not say, or says what makes no sense.
Orientation jpeg_orientation(std::string_view bytes);
Orientation webp_orientation(std::string_view bytes);  // RFC 9649, section 2.7.1.5

}  // namespace imgrec::media
