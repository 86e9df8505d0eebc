#include "worker/inference/image_decoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <jpeglib.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace imgrec::worker {
namespace {

using proto::FailCode;
using ::testing::HasSubstr;

// Dark left half, light right half.
cv::Mat two_halves(int width, int height) {
  cv::Mat pixels(height, width, CV_8UC3, cv::Scalar::all(20));
  pixels(cv::Rect(width / 2, 0, width - width / 2, height)).setTo(cv::Scalar::all(230));
  return pixels;
}

std::string encoded(const std::string& extension, const cv::Mat& pixels) {
  std::vector<unsigned char> bytes;
  cv::imencode(extension, pixels, bytes);
  return {bytes.begin(), bytes.end()};
}

std::string big_endian(std::uint32_t value) {
  return {char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
}

// A PNG's signature, a header of this size with its right CRC, and an empty end chunk.
std::string png_header(std::uint32_t width, std::uint32_t height) {
  const std::string header =
      "IHDR" + big_endian(width) + big_endian(height) + std::string("\x08\x02\x00\x00\x00", 5);
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : header) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1)));
  }
  return "\x89PNG\r\n\x1a\n" + big_endian(13) + header + big_endian(~crc) + big_endian(0) + "IEND" +
         std::string("\xae\x42\x60\x82", 4);
}

// Exif's content that says how the camera was held (6: turn clockwise).
std::string exif_content(int orientation) {
  return std::string("MM\0\x2a\0\0\0\x08", 8) + std::string("\0\x01", 2) +
         std::string("\x01\x12\0\x03\0\0\0\x01\0", 9) + char(orientation) +
         std::string("\0\0\0\0\0\0", 6);
}

// A JPEG with an Exif segment.
std::string with_orientation(const std::string& jpeg, int orientation) {
  const std::string exif = std::string("Exif\0\0", 6) + exif_content(orientation);
  const std::size_t length = exif.size() + 2;
  return jpeg.substr(0, 2) + "\xff\xe1" + char(length >> 8) + char(length & 255) + exif +
         jpeg.substr(2);
}

std::string little_endian(std::uint32_t value, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += char(value >> (8 * i));
  return text;
}

// A plain WebP file as an extended one with an Exif part.
std::string webp_with_orientation(const std::string& webp, std::uint32_t width,
                                  std::uint32_t height, int orientation) {
  const std::string exif = exif_content(orientation);
  const std::string chunks = "VP8X" + little_endian(10, 4) + little_endian(8, 4) +
                             little_endian(width - 1, 3) + little_endian(height - 1, 3) +
                             webp.substr(12) + "EXIF" +
                             little_endian(static_cast<std::uint32_t>(exif.size()), 4) + exif;
  return "RIFF" + little_endian(static_cast<std::uint32_t>(chunks.size() + 4), 4) + "WEBP" + chunks;
}

const ImageDecoder& decoder() {
  static const ImageDecoder instance(100'000'000);
  return instance;
}

cv::Mat decoded(const std::string& bytes) {
  auto result = decoder().decode(bytes);
  if (auto* failed = std::get_if<EngineFailure>(&result)) {
    ADD_FAILURE() << failed->text;
    return cv::Mat::zeros(1, 1, CV_8UC3);
  }
  return std::get<Picture>(result).pixels;
}

Picture shrunk(const std::string& bytes, cv::Size least) {
  auto result = decoder().decode(bytes, {least, least});
  if (auto* failed = std::get_if<EngineFailure>(&result)) {
    ADD_FAILURE() << failed->text;
    return {};
  }
  return std::get<Picture>(result);
}

// What OpenCV makes of it, without our checks.
cv::Mat by_opencv(const std::string& bytes) {
  return cv::imdecode(std::vector<char>(bytes.begin(), bytes.end()), cv::IMREAD_COLOR);
}

double difference(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() ? cv::norm(a, b, cv::NORM_INF) : HUGE_VAL;
}

using Inks = std::array<JSAMPLE, 4>;  // inverted, as in such files: 0 is all of it

// A JPEG of four inks, as printers' programs save them.
std::string four_inks(int width, int height, Inks inks, bool progressive = false) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.image_height = static_cast<JDIMENSION>(height);
  jpeg.input_components = 4;
  jpeg.in_color_space = JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<JSAMPLE> row;
  for (int x = 0; x < width; ++x) row.insert(row.end(), inks.begin(), inks.end());
  JSAMPROW rows = row.data();
  while (jpeg.next_scanline < jpeg.image_height) jpeg_write_scanlines(&jpeg, &rows, 1);
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  std::string file(reinterpret_cast<char*>(bytes), size);
  std::free(bytes);
  return file;
}

EngineFailure refused(std::string_view bytes, const ImageDecoder& by = decoder()) {
  auto result = by.decode(bytes);
  if (auto* failed = std::get_if<EngineFailure>(&result)) return *failed;
  ADD_FAILURE() << "it was decoded";
  return {};
}

TEST(ImageDecoder, DecodesTheFormatsWeTake) {
  for (const char* extension : {".jpg", ".png", ".webp", ".bmp", ".tiff"}) {
    const cv::Mat pixels = decoded(encoded(extension, two_halves(60, 40)));
    EXPECT_EQ(pixels.size(), cv::Size(60, 40)) << extension;
    EXPECT_EQ(pixels.type(), CV_8UC3) << extension;
    EXPECT_NEAR(pixels.at<cv::Vec3b>(20, 5)[0], 20, 8) << extension;
    EXPECT_NEAR(pixels.at<cv::Vec3b>(20, 55)[0], 230, 8) << extension;
  }
}

TEST(ImageDecoder, MakesGreySixteenBitAndTransparentPicturesBgr) {
  EXPECT_EQ(decoded(encoded(".png", cv::Mat(5, 4, CV_8UC1, cv::Scalar(9)))).type(), CV_8UC3);
  EXPECT_EQ(decoded(encoded(".png", cv::Mat(5, 4, CV_16UC3, cv::Scalar::all(999)))).type(),
            CV_8UC3);
  EXPECT_EQ(decoded(encoded(".png", cv::Mat(5, 4, CV_8UC4, cv::Scalar::all(99)))).type(), CV_8UC3);
}

TEST(ImageDecoder, SaysHowAJpegPictureIsToBeTurnedAndLeavesThePixelsAsStored) {
  const std::string picture = encoded(".jpg", two_halves(60, 40));
  const Picture turned = shrunk(with_orientation(picture, 6), {});
  EXPECT_EQ(turned.orientation, media::Orientation::kTurnRight);
  EXPECT_EQ(difference(turned.pixels, decoded(picture)), 0);
  EXPECT_EQ(shrunk(picture, {}).orientation, media::Orientation::kUpright);
}

TEST(ImageDecoder, DecodesJpegAsOpenCvDoes) {
  cv::Mat photo(75, 101, CV_8UC3);
  cv::RNG(3).fill(photo, cv::RNG::UNIFORM, 0, 256);
  cv::GaussianBlur(photo, photo, {}, 2);
  cv::Mat grey;
  cv::cvtColor(photo, grey, cv::COLOR_BGR2GRAY);
  std::vector<unsigned char> progressive;
  cv::imencode(".jpg", photo, progressive,
               {cv::IMWRITE_JPEG_PROGRESSIVE, 1, cv::IMWRITE_JPEG_RST_INTERVAL, 2});
  for (const std::string& file : {encoded(".jpg", photo), encoded(".jpg", grey),
                                  std::string(progressive.begin(), progressive.end())}) {
    EXPECT_EQ(difference(decoded(file), by_opencv(file)), 0);
  }
}

TEST(ImageDecoder, MakesColoursOfFourInks) {
  const auto colour = [](Inks inks) {
    const cv::Mat pixels = decoded(four_inks(31, 17, inks));
    EXPECT_EQ(pixels.size(), cv::Size(31, 17));
    return pixels.at<cv::Vec3b>(16, 30);
  };
  const auto near = [](cv::Vec3b a, cv::Vec3b b) { return cv::norm(a, b, cv::NORM_INF) <= 2; };
  EXPECT_TRUE(near(colour({255, 255, 255, 255}), {255, 255, 255}));
  EXPECT_TRUE(near(colour({255, 255, 255, 0}), {0, 0, 0}));
  EXPECT_TRUE(near(colour({0, 255, 255, 255}), {255, 255, 0}));  // cyan
  EXPECT_TRUE(near(colour({255, 0, 255, 255}), {255, 0, 255}));  // magenta
  EXPECT_TRUE(near(colour({255, 255, 0, 255}), {0, 255, 255}));  // yellow
  EXPECT_TRUE(near(colour({200, 100, 50, 128}), {25, 50, 100}));
  const std::string file = four_inks(31, 17, {200, 90, 30, 160});
  EXPECT_LE(difference(decoded(file), by_opencv(file)), 1);  // which rounds down
}

TEST(ImageDecoder, ShrinksAndTurnsAPictureOfFourInksAsAnyOther) {
  const std::string file = with_orientation(four_inks(800, 600, {200, 90, 30, 160}), 6);
  const Picture picture = shrunk(file, {150, 200});
  EXPECT_EQ(picture.orientation, media::Orientation::kTurnRight);
  EXPECT_EQ(picture.pixels.size(), cv::Size(200, 150));
  EXPECT_EQ(picture.whole, cv::Size(800, 600));
}

TEST(ImageDecoder, SaysHowAWebpPictureIsToBeTurned) {
  const std::string plain = encoded(".webp", two_halves(60, 40));
  const Picture turned = shrunk(webp_with_orientation(plain, 60, 40, 6), {});
  EXPECT_EQ(turned.orientation, media::Orientation::kTurnRight);
  EXPECT_EQ(difference(turned.pixels, decoded(plain)), 0);
  EXPECT_EQ(shrunk(plain, {}).orientation, media::Orientation::kUpright);
}

TEST(ImageDecoder, DecodesALargeJpegSmallerButNeverBelowWhatIsWanted) {
  const std::string picture = encoded(".jpg", two_halves(1600, 1200));
  EXPECT_EQ(shrunk(picture, {}).pixels.size(), cv::Size(1600, 1200));
  EXPECT_EQ(shrunk(picture, {200, 150}).pixels.size(), cv::Size(200, 150));
  EXPECT_EQ(shrunk(picture, {201, 150}).pixels.size(), cv::Size(400, 300));
  EXPECT_EQ(shrunk(picture, {200, 151}).pixels.size(), cv::Size(400, 300));
  EXPECT_EQ(shrunk(picture, {800, 600}).pixels.size(), cv::Size(800, 600));
  EXPECT_EQ(shrunk(picture, {801, 600}).pixels.size(), cv::Size(1600, 1200));
  EXPECT_EQ(shrunk(picture, {5, 5}).pixels.size(), cv::Size(200, 150));
  const cv::Mat small = shrunk(picture, {200, 150}).pixels;
  EXPECT_NEAR(small.at<cv::Vec3b>(75, 20)[1], 20, 3);
  EXPECT_NEAR(small.at<cv::Vec3b>(75, 180)[1], 230, 3);
}

TEST(ImageDecoder, WantsTheSizeOfTheUprightPicture) {
  const std::string picture = with_orientation(encoded(".jpg", two_halves(1600, 400)), 6);
  // Upright it is 400 x 1600.
  EXPECT_EQ(shrunk(picture, {50, 200}).pixels.size(), cv::Size(200, 50));
  EXPECT_EQ(shrunk(picture, {200, 50}).pixels.size(), cv::Size(800, 200));
}

TEST(ImageDecoder, KeepsOtherFormatsWhole) {
  EXPECT_EQ(shrunk(encoded(".png", two_halves(160, 120)), {20, 15}).pixels.size(),
            cv::Size(160, 120));
}

TEST(ImageDecoder, RefusesWhatIsNoPicture) {
  EXPECT_EQ(refused("").code, FailCode::kNotAnImage);
  EXPECT_EQ(refused("hello, world, this is a letter").code, FailCode::kNotAnImage);
  const EngineFailure gif = refused("GIF89a\x01\x00\x01\x00\x80\x00\x00 and so on");
  EXPECT_EQ(gif.code, FailCode::kNotAnImage);
  EXPECT_THAT(gif.text, HasSubstr("GIF"));
  EXPECT_FALSE(gif.retriable);
}

TEST(ImageDecoder, NeverHandsOtherFormatsOfOpenCvToIt) {
  // OpenCV reads all of these; nobody uploads them but an attacker.
  const std::string portable = "P6\n2 2\n255\n" + std::string(12, 'x');
  const std::string radiance =
      "#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 2\n" + std::string(64, 'x');
  EXPECT_EQ(refused(portable).code, FailCode::kNotAnImage);
  EXPECT_EQ(refused(radiance).code, FailCode::kNotAnImage);
}

TEST(ImageDecoder, RefusesAPictureThatIsTooLargeByItsHeaderAlone) {
  // 144 megapixels in 45 bytes: a decoder that believed it would take 432 MB.
  const EngineFailure failed = refused(png_header(12000, 12000));
  EXPECT_EQ(failed.code, FailCode::kTooManyPixels);
  EXPECT_THAT(failed.text, HasSubstr("12000 x 12000"));
  EXPECT_THAT(failed.text, HasSubstr("100000000"));
  EXPECT_EQ(refused(png_header(0x7FFFFFFF, 0x7FFFFFFF)).code, FailCode::kTooManyPixels);
}

TEST(ImageDecoder, KeepsToItsOwnLimitExactly) {
  const std::string picture = encoded(".png", two_halves(60, 40));
  EXPECT_EQ(ImageDecoder(60 * 40).decode(picture).index(), 0U);
  EXPECT_EQ(refused(picture, ImageDecoder(60 * 40 - 1)).code, FailCode::kTooManyPixels);
}

TEST(ImageDecoder, SaysThatACutFileIsCut) {
  for (const char* extension : {".jpg", ".png", ".webp", ".bmp"}) {
    const std::string whole = encoded(extension, two_halves(300, 200));
    const EngineFailure failed = refused(std::string_view(whole).substr(0, whole.size() / 2));
    EXPECT_EQ(failed.code, FailCode::kDamaged) << extension;
    EXPECT_FALSE(failed.text.empty());
    EXPECT_FALSE(failed.retriable);
  }
}

TEST(ImageDecoder, SurvivesEveryCutAndManyBrokenBytes) {
  for (const char* extension : {".jpg", ".png", ".webp", ".bmp", ".tiff"}) {
    const std::string whole = encoded(extension, two_halves(40, 30));
    const std::size_t step = std::max<std::size_t>(1, whole.size() / 60);
    for (std::size_t size = 0; size < whole.size(); size += step) {
      (void)decoder().decode(std::string_view(whole).substr(0, size));
      std::string broken = whole;
      broken[size] = static_cast<char>(broken[size] ^ 0x55);
      (void)decoder().decode(broken);
    }
  }
}

TEST(ImageDecoder, SaysWhatIsWrongWithAJpeg) {
  std::string picture = encoded(".jpg", two_halves(60, 40));
  const std::size_t table = picture.find("\xff\xdb");  // of quantisation: number 0 becomes 9
  ASSERT_NE(table, std::string::npos);
  picture[table + 4] = 9;
  const EngineFailure failed = refused(picture);
  EXPECT_EQ(failed.code, FailCode::kDamaged);
  EXPECT_THAT(failed.text, HasSubstr("Bogus DQT index 9"));
  EXPECT_FALSE(failed.retriable);
}

TEST(ImageDecoder, RefusesAJpegOfEndlessScans) {
  // Each scan of a progressive picture goes over all of it: one of few bytes, repeated.
  std::vector<unsigned char> bytes;
  cv::imencode(".jpg", two_halves(64, 64), bytes, {cv::IMWRITE_JPEG_PROGRESSIVE, 1});
  for (const std::string& picture : {std::string(bytes.begin(), bytes.end()),
                                     four_inks(64, 64, {200, 90, 30, 160}, /*progressive=*/true)}) {
    const std::size_t last = picture.rfind("\xff\xda");
    const std::string scan = picture.substr(last, picture.size() - last - 2);
    std::string many = picture.substr(0, last);
    for (int i = 0; i < 300; ++i) many += scan;
    EXPECT_EQ(decoder().decode(many + "\xff\xd9").index(), 0U);
    for (int i = 0; i < 300; ++i) many += scan;
    EXPECT_THAT(refused(many + "\xff\xd9").text, HasSubstr("more than 500 scans"));
  }
}

TEST(ImageDecoder, RefusesAPngWhoseContentIsMissing) {
  EXPECT_EQ(refused(png_header(20, 10)).code, FailCode::kDamaged);
}

}  // namespace
}  // namespace imgrec::worker
