#include "media/image_header.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/media/sample_files.h"

namespace imgrec::media {
namespace {

using ::testing::HasSubstr;

struct Sample {
  std::string name;
  ImageFormat format;
  std::string bytes;
  std::uint32_t width;
  std::uint32_t height;
};

std::vector<Sample> samples() {
  return {
      {"jpeg", ImageFormat::kJpeg, jpeg(640, 480), 640, 480},
      {"jpeg_progressive", ImageFormat::kJpeg, jpeg(65535, 1, "", 0xc2), 65535, 1},
      {"png", ImageFormat::kPng, png(300, 200), 300, 200},
      {"webp_lossy", ImageFormat::kWebp, webp_lossy(550, 368), 550, 368},
      {"webp_lossless", ImageFormat::kWebp, webp_lossless(400, 301), 400, 301},
      {"webp_extended", ImageFormat::kWebp, webp_extended(70000, 80001), 70000, 80001},
      {"bmp", ImageFormat::kBmp, bmp(7, 5), 7, 5},
      {"bmp_top_down", ImageFormat::kBmp, bmp(7, -5), 7, 5},
      {"bmp_core", ImageFormat::kBmp, bmp_core(9, 4), 9, 4},
      {"tiff_little", ImageFormat::kTiff, tiff(false, 1024, 768), 1024, 768},
      {"tiff_big", ImageFormat::kTiff, tiff(true, 1024, 768), 1024, 768},
      {"tiff_long", ImageFormat::kTiff, tiff(true, 70000, 3), 70000, 3},
      {"tiff_tiles", ImageFormat::kTiff, tiff(false, 9, 8, {{322, 16}, {323, 32}}), 9, 8},
  };
}

TEST(ImageHeader, ReadsFormatAndSizeOfEachKind) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.name);
    const auto header = read_image_header(sample.bytes);
    ASSERT_TRUE(header.ok()) << header.status().message();
    EXPECT_EQ(header->format, sample.format);
    EXPECT_EQ(header->width, sample.width);
    EXPECT_EQ(header->height, sample.height);
  }
}

TEST(ImageHeader, AnswersEveryPrefixWithAnErrorOrTheRightSize) {
  for (const Sample& sample : samples()) {
    bool read_before = false;
    for (std::size_t length = 0; length <= sample.bytes.size(); ++length) {
      SCOPED_TRACE(sample.name + " cut at " + std::to_string(length));
      const std::string prefix = sample.bytes.substr(0, length);  // a copy: sanitizers see overruns
      const auto header = read_image_header(prefix);
      EXPECT_TRUE(header.ok() || !read_before) << "more bytes made it worse";
      if (!header.ok()) {
        EXPECT_FALSE(header.status().message().empty());
        continue;
      }
      read_before = true;
      EXPECT_EQ(header->width, sample.width);
      EXPECT_EQ(header->height, sample.height);
    }
    EXPECT_TRUE(read_before) << sample.name;
  }
}

TEST(ImageHeader, SurvivesEveryChangedByte) {
  for (const Sample& sample : samples()) {
    for (std::size_t i = 0; i < sample.bytes.size(); ++i) {
      for (const char value : {'\0', '\x01', '\x7f', '\x80', '\xff'}) {
        std::string changed = sample.bytes;
        changed[i] = value;
        const auto header = read_image_header(changed);
        if (header.ok()) {
          EXPECT_GT(header->pixels(), 0u);
          (void)is_complete(header->format, changed);
        }
      }
    }
  }
}

TEST(ImageHeader, SkipsThumbnailsFillBytesAndStrayBytesBeforeTheFrame) {
  const std::string exif = jpeg_segment(0xe1, join("Exif", jpeg(160, 120)));
  const std::string padded = join(exif, "\xff\xff", jpeg_segment(0xfe, "comment"), "xx");
  const auto header = read_image_header(jpeg(4000, 3000, padded));
  ASSERT_TRUE(header.ok()) << header.status().message();
  EXPECT_EQ(header->width, 4000u);
  EXPECT_EQ(header->height, 3000u);
}

TEST(ImageHeader, TellsTheSizeOfAPictureThatIsTooLargeToDecode) {
  const auto header = read_image_header(png(12000, 12000));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->pixels(), 144'000'000u);
  const auto huge = read_image_header(png(0x7fffffff, 0x7fffffff));
  ASSERT_TRUE(huge.ok());
  EXPECT_EQ(huge->pixels(), std::uint64_t{0x7fffffff} * 0x7fffffff);
}

TEST(ImageHeader, CountsTheTilesOfATiffWhichMayBeLargerThanItsPicture) {
  constexpr unsigned kRows = 278;
  constexpr unsigned kTileWidth = 322;
  constexpr unsigned kTileHeight = 323;
  const auto pixels = [](const std::string& bytes) { return read_image_header(bytes)->pixels(); };
  EXPECT_EQ(pixels(tiff(true, 1, 1, {{kTileWidth, 16384}, {kTileHeight, 16384}})), 16384u * 16384);
  EXPECT_EQ(pixels(tiff(false, 1, 1, {{kTileWidth, 0x80000000}, {kTileHeight, 0x80000000}})),
            std::uint64_t{1} << 62);
  EXPECT_EQ(pixels(tiff(false, 1000, 500, {{kTileWidth, 256}, {kTileHeight, 256}})), 500'000u);
  EXPECT_EQ(pixels(tiff(true, 30, 20, {{kTileHeight, 40}})), 1'200u);
  EXPECT_EQ(pixels(tiff(true, 30, 20, {{kRows, 1000}})), 30'000u);
  EXPECT_EQ(pixels(tiff(true, 30, 20, {{kRows, 0xffffffff}})), 600u);  // all in one
}

TEST(ImageHeader, DescribesTheSize) {
  EXPECT_EQ(describe_size(*read_image_header(png(30, 20))), "30 x 20 pixels");
  EXPECT_EQ(describe_size(*read_image_header(tiff(true, 3, 2, {{322, 64}, {323, 32}}))),
            "3 x 2 pixels in blocks of 2048");
}

TEST(ImageHeader, CallsImpossibleHeadersDamaged) {
  std::string negative_bmp = bmp(7, 5);
  negative_bmp.replace(18, 4, "\xf9\xff\xff\xff");
  std::string no_ihdr = png(5, 5);
  no_ihdr.replace(12, 4, "IDAT");
  std::string no_start_code = webp_lossy(5, 5);
  no_start_code[23] = 'x';
  std::string odd_chunk = webp_lossy(5, 5);
  odd_chunk.replace(12, 4, "ABCD");
  std::string loop = tiff(false, 5, 5);
  loop.replace(4, 4, "\xff\xff\xff\xff");
  const std::string no_frame = join("\xff\xd8", jpeg_segment(0xda, "scan"));
  const std::string bad_length = join("\xff\xd8\xff\xe0", "\0\1"sv, "rest");
  for (const std::string& bytes : {png(0, 5), png(5, 0), png(0x80000000, 5), jpeg(0, 5), jpeg(5, 0),
                                   negative_bmp, bmp(7, 0), webp_lossy(0, 5), tiff(true, 0, 5),
                                   no_ihdr, no_start_code, odd_chunk, loop, no_frame, bad_length}) {
    const auto header = read_image_header(bytes);
    ASSERT_FALSE(header.ok());
    EXPECT_EQ(header.status().code(), StatusCode::kDataLoss);
    EXPECT_THAT(header.status().message(), HasSubstr("damaged"));
  }
}

TEST(ImageHeader, RefusesAnEmptyFile) {
  const auto header = read_image_header("");
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(header.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(header.status().message(), "the file is empty");
}

TEST(ImageHeader, NamesWhatAnUnsupportedFileSeemsToBe) {
  const std::string dicom = join(std::string(128, '\0'), "DICM");
  const std::vector<std::pair<std::string, std::string>> files = {
      {"GIF89a......", "GIF"},
      {std::string("\0\0\0\x18"
                   "ftypheic\0\0\0\0"sv),
       "HEIC"},
      {std::string("\0\0\0\x18"
                   "ftypmif1\0\0\0\0"sv),
       "HEIC or HEIF"},
      {std::string("\0\0\0\x18"
                   "ftypavif\0\0\0\0"sv),
       "AVIF"},
      {std::string("\0\0\0\x18"
                   "ftypisom\0\0\0\0"sv),
       "video"},
      {webp_extended(20, 10, 2), "animation"},
      {"%PDF-1.7\n", "PDF"},
      {"PK\3\4 a docx", "ZIP"},
      {"<!DOCTYPE html><html></html>", "HTML"},
      {"\xef\xbb\xbf \n<HTML>", "HTML"},
      {"just a note\n", "text file"},
      {"BMW is a car maker", "text file"},
      {dicom, "DICOM"},
      {"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"},
      {"<?xml version=\"1.0\"?>\n<!-- x -->\n<svg/>", "SVG"},
      {"\xff\x0a....", "JPEG XL"},
      {std::string("\0\0\0\x0cJXL \r\n\x87\n"sv), "JPEG XL"},
  };
  for (const auto& [bytes, name] : files) {
    const auto header = read_image_header(bytes);
    ASSERT_FALSE(header.ok()) << name;
    EXPECT_EQ(header.status().code(), StatusCode::kUnsupported) << name;
    EXPECT_THAT(header.status().message(), HasSubstr(name));
    EXPECT_THAT(header.status().message(), HasSubstr("send a JPEG"));
  }
  const auto unknown = read_image_header("\x01\x02\x03\x04");
  EXPECT_EQ(unknown.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(unknown.status().message(), HasSubstr("no picture"));
}

TEST(ImageHeader, NamesTheMediaTypes) {
  EXPECT_EQ(media_type(ImageFormat::kJpeg), "image/jpeg");
  EXPECT_EQ(media_type(ImageFormat::kPng), "image/png");
  EXPECT_EQ(media_type(ImageFormat::kWebp), "image/webp");
  EXPECT_EQ(media_type(ImageFormat::kBmp), "image/bmp");
  EXPECT_EQ(media_type(ImageFormat::kTiff), "image/tiff");
}

// Real photos, where the shared test data are there.
TEST(ImageHeader, ReadsRealPhotos) {
  const char* shared = std::getenv("IMGREC_SHARED");
  const auto beside = std::filesystem::path(__FILE__).parent_path() / "../../../../shared";
  const auto dir = (shared != nullptr ? std::filesystem::path(shared) : beside) / "data" / "photos";
  if (!std::filesystem::is_directory(dir)) GTEST_SKIP() << "no photos (set IMGREC_SHARED)";
  int photos = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".JPEG") continue;
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    const auto header = read_image_header(bytes);
    ASSERT_TRUE(header.ok()) << header.status().message();
    EXPECT_EQ(header->format, ImageFormat::kJpeg);
    EXPECT_GT(header->width, 0u);
    EXPECT_GT(header->height, 0u);
    EXPECT_TRUE(is_complete(ImageFormat::kJpeg, bytes));
    EXPECT_FALSE(
        is_complete(ImageFormat::kJpeg, std::string_view(bytes).substr(0, bytes.size() / 2)));
    ++photos;
  }
  RecordProperty("photos", photos);
  EXPECT_GT(photos, 0);
}

}  // namespace
}  // namespace imgrec::media
