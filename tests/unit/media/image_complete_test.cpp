#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "media/image_header.h"
#include "tests/unit/media/sample_files.h"

namespace imgrec::media {
namespace {

struct Whole {
  ImageFormat format;
  std::string bytes;
};

std::vector<Whole> whole_files() {
  return {{ImageFormat::kJpeg, jpeg(64, 48)},       {ImageFormat::kPng, png(30, 20)},
          {ImageFormat::kWebp, webp_lossy(55, 36)}, {ImageFormat::kWebp, webp_lossless(40, 30)},
          {ImageFormat::kBmp, bmp(7, 5)},           {ImageFormat::kBmp, bmp(7, -5)},
          {ImageFormat::kBmp, bmp_core(9, 4)}};
}

TEST(ImageIsComplete, AcceptsWholeFilesAndNoPrefixOfThem) {
  for (const Whole& whole : whole_files()) {
    EXPECT_TRUE(is_complete(whole.format, whole.bytes)) << media_type(whole.format);
    for (std::size_t length = 0; length < whole.bytes.size(); ++length) {
      const std::string prefix = whole.bytes.substr(0, length);
      EXPECT_FALSE(is_complete(whole.format, prefix)) << media_type(whole.format) << " " << length;
    }
  }
}

TEST(ImageIsComplete, ToleratesWhatFollowsTheEnd) {
  for (const Whole& whole : whole_files()) {
    EXPECT_TRUE(is_complete(whole.format, join(whole.bytes, std::string(100'000, '\0'))));
    EXPECT_TRUE(is_complete(whole.format, join(whole.bytes, "a video, as phones append it")));
  }
}

TEST(ImageIsComplete, DoesNotTakeAThumbnailsEndForTheJpegsOwn) {
  const std::string exif = jpeg_segment(0xe1, join("Exif", jpeg(160, 120)));
  const std::string whole = jpeg(4000, 3000, exif);
  EXPECT_TRUE(is_complete(ImageFormat::kJpeg, whole));
  EXPECT_FALSE(is_complete(ImageFormat::kJpeg, whole.substr(0, whole.size() - 2)));
}

TEST(ImageIsComplete, NeedsEveryStripOfATiff) {
  for (const bool big_endian : {false, true}) {
    const std::string whole = tiff(big_endian, 4, 4);
    EXPECT_TRUE(is_complete(ImageFormat::kTiff, whole));
    for (std::size_t length = 0; length < whole.size() - 4; ++length) {
      EXPECT_FALSE(is_complete(ImageFormat::kTiff, whole.substr(0, length))) << length;
    }
    std::string beyond = whole;
    beyond.replace(whole.size() - 8, 4, big_endian ? big(5000, 4) : little(5000, 4));
    EXPECT_FALSE(is_complete(ImageFormat::kTiff, beyond));
  }
}

TEST(ImageIsComplete, ComparesHugeBmpSizesWithoutOverflow) {
  std::string file = bmp(7, 5);
  file.replace(18, 8, "\xff\xff\xff\x7f\xff\xff\xff\x7f");
  EXPECT_FALSE(is_complete(ImageFormat::kBmp, file));
}

}  // namespace
}  // namespace imgrec::media
