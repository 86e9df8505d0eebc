#include "media/orientation.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/unit/media/sample_files.h"

namespace imgrec::media {
namespace {

std::string number(char order, std::uint64_t value, int bytes) {
  return order == 'M' ? big(value, bytes) : little(value, bytes);
}

// What an Exif part holds; its directory has a tag before and one after the orientation.
std::string exif_content(char order, unsigned orientation, unsigned entries = 3) {
  const auto entry = [order](unsigned tag, unsigned value) {
    return join(number(order, tag, 2), number(order, 3, 2), number(order, 1, 4),
                number(order, value, 2), "\0\0"sv);
  };
  return join(std::string(2, order), number(order, 42, 2), number(order, 8, 4),
              number(order, entries, 2), entry(271, 7), entry(274, orientation), entry(282, 2),
              number(order, 0, 4));
}

std::string exif(char order, unsigned orientation, unsigned entries = 3) {
  return jpeg_segment(0xe1, join("Exif\0\0"sv, exif_content(order, orientation, entries)));
}

std::string webp(std::string_view chunks) { return webp_extended(6, 4, 8, chunks); }

TEST(JpegOrientation, ReadsAllEightInBothByteOrders) {
  for (unsigned value = 1; value <= 8; ++value) {
    for (const char order : {'M', 'I'}) {
      EXPECT_EQ(jpeg_orientation(jpeg(6, 4, exif(order, value))), static_cast<Orientation>(value));
    }
  }
}

TEST(JpegOrientation, IsUprightWhereTheFileDoesNotSay) {
  EXPECT_EQ(jpeg_orientation(jpeg(6, 4)), Orientation::kUpright);
  EXPECT_EQ(jpeg_orientation(""), Orientation::kUpright);
  EXPECT_EQ(jpeg_orientation(jpeg(6, 4, exif('M', 6, 1))), Orientation::kUpright);  // one entry
}

TEST(JpegOrientation, IsUprightWhereTheValueMakesNoSense) {
  for (const unsigned value : {0U, 9U, 65535U}) {
    EXPECT_EQ(jpeg_orientation(jpeg(6, 4, exif('I', value))), Orientation::kUpright);
  }
}

TEST(JpegOrientation, PassesOverOtherSegmentsOfTheSameKind) {
  const std::string xmp = jpeg_segment(0xe1, "http://ns.adobe.com/xap/1.0/\0<x/>"sv);
  EXPECT_EQ(jpeg_orientation(jpeg(6, 4, join(xmp, exif('M', 8)))), Orientation::kTurnLeft);
}

TEST(JpegOrientation, StopsAtThePicture) {
  const std::string behind = join(jpeg(6, 4), exif('M', 3));
  EXPECT_EQ(jpeg_orientation(behind), Orientation::kUpright);
}

TEST(JpegOrientation, SurvivesEveryCutAndEveryClaim) {
  const std::string whole = jpeg(6, 4, exif('M', 6));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    (void)jpeg_orientation(std::string_view(whole).substr(0, size));
    for (const char value : {'\x00', '\x7f', '\xff'}) {
      std::string broken = whole;
      broken[size] = value;
      (void)jpeg_orientation(broken);
    }
  }
  EXPECT_EQ(jpeg_orientation(jpeg(6, 4, exif('M', 6, 65535))), Orientation::kTurnRight);
}

TEST(WebpOrientation, ReadsAllEightBehindThePixels) {
  const std::string pixels = webp_chunk("VP8 ", "odd");  // padded by a byte
  for (unsigned value = 1; value <= 8; ++value) {
    for (const std::string& content : {exif_content('M', value), exif_content('I', value),
                                       join("Exif\0\0"sv, exif_content('M', value))}) {
      EXPECT_EQ(webp_orientation(webp(join(pixels, webp_chunk("EXIF", content)))),
                static_cast<Orientation>(value));
    }
  }
}

TEST(WebpOrientation, IsUprightWhereTheFileDoesNotSay) {
  EXPECT_EQ(webp_orientation(""), Orientation::kUpright);
  EXPECT_EQ(webp_orientation(webp("")), Orientation::kUpright);
  EXPECT_EQ(webp_orientation(webp_lossy(6, 4)), Orientation::kUpright);
  EXPECT_EQ(webp_orientation(webp(webp_chunk("EXIF", exif_content('M', 9)))),
            Orientation::kUpright);
  // A file of nothing but pixels has no other parts; what stands behind them is no part of it.
  EXPECT_EQ(webp_orientation(join(webp_lossy(6, 4), webp_chunk("EXIF", exif_content('M', 6)))),
            Orientation::kUpright);
}

TEST(WebpOrientation, SurvivesEveryCutAndEveryClaim) {
  const std::string whole = webp(webp_chunk("EXIF", exif_content('M', 6)));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    (void)webp_orientation(whole.substr(0, size));
    for (const char value : {'\x00', '\x7f', '\xff'}) {
      std::string broken = whole;
      broken[size] = value;
      (void)webp_orientation(broken);
    }
  }
}

TEST(Orientation, KnowsWhichExchangeTheSides) {
  for (unsigned value = 1; value <= 8; ++value) {
    EXPECT_EQ(swaps_sides(static_cast<Orientation>(value)), value >= 5);
  }
}

}  // namespace
}  // namespace imgrec::media
