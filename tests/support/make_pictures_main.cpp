// Writes pictures of as many different sizes as are asked for: what strangers upload over the
// weeks. Usage: make_pictures DIR COUNT Most are JPEG of all kinds (grey, progressive, turned by
// Exif as a telephone is held), the others PNG (also transparent, also 16 bits deep), WebP and BMP;
// from 40 pixels to 3,000, small ones more often. The same call gives the same files.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<unsigned char>;

constexpr double kShortest = 40;
constexpr double kLongest = 3000;

// Shapes with some noise, larger than any picture; each shows a part of it.
cv::Mat scene(cv::RNG& random) {
  const int side = static_cast<int>(kLongest) + 64;
  cv::Mat pixels(side, side, CV_8UC3, cv::Scalar(120, 140, 110));
  for (int i = 0; i < 2000; ++i) {
    const cv::Point centre(random.uniform(0, side), random.uniform(0, side));
    const cv::Scalar colour(random.uniform(0, 256), random.uniform(0, 256), random.uniform(0, 256));
    cv::circle(pixels, centre, random.uniform(5, 150), colour, cv::FILLED);
  }
  cv::Mat noise(pixels.size(), CV_16SC3);
  random.fill(noise, cv::RNG::NORMAL, 0, 3);
  cv::add(pixels, noise, pixels, cv::noArray(), CV_8U);
  return pixels;
}

// As many sizes as pictures: none comes twice.
cv::Size new_size(cv::RNG& random, std::set<std::pair<int, int>>& known) {
  const auto side = [&random] {
    return static_cast<int>(kShortest * std::pow(kLongest / kShortest, random.uniform(0.0, 1.0)));
  };
  for (;;) {
    const int width = side();
    const double aspect = std::exp(random.uniform(-0.7, 0.7));
    const int height = std::clamp(static_cast<int>(width * aspect), static_cast<int>(kShortest),
                                  static_cast<int>(kLongest));
    if (known.emplace(width, height).second) return {width, height};
  }
}

Bytes encoded(const std::string& extension, const cv::Mat& pixels, std::vector<int> flags = {}) {
  Bytes bytes;
  cv::imencode(extension, pixels, bytes, flags);
  return bytes;
}

Bytes turned(Bytes jpeg, unsigned char orientation) {
  const unsigned char exif[] = {0xff, 0xe1, 0, 34, 'E', 'x',         'i', 'f', 0, 0,  'M', 'M',
                                0,    42,   0, 0,  0,   8,           0,   1,   1, 18, 0,   3,
                                0,    0,    0, 1,  0,   orientation, 0,   0,   0, 0,  0,   0};
  jpeg.insert(jpeg.begin() + 2, std::begin(exif), std::end(exif));
  return jpeg;
}

// File ending and content.
std::pair<std::string, Bytes> picture(int number, const cv::Mat& pixels) {
  const bool large = pixels.total() > 300'000;  // these would take long to make and to send
  cv::Mat other;
  switch (number % 12) {
    case 0:
      if (large && number / 12 % 5 != 0) break;
      return {".png", encoded(".png", pixels, {cv::IMWRITE_PNG_COMPRESSION, 1})};
    case 1:
      if (large) break;
      cv::cvtColor(pixels, other, cv::COLOR_BGR2BGRA);
      return {".png", encoded(".png", other, {cv::IMWRITE_PNG_COMPRESSION, 1})};
    case 2:
      if (large) break;
      pixels.convertTo(other, CV_16U, 257);
      return {".png", encoded(".png", other, {cv::IMWRITE_PNG_COMPRESSION, 1})};
    case 3:
      if (large) break;
      return {".webp", encoded(".webp", pixels, {cv::IMWRITE_WEBP_QUALITY, 80})};
    case 4:
      if (large) break;
      return {".bmp", encoded(".bmp", pixels)};
    case 5:
      cv::cvtColor(pixels, other, cv::COLOR_BGR2GRAY);
      return {".jpg", encoded(".jpg", other)};
    case 6:
      return {".jpg", encoded(".jpg", pixels, {cv::IMWRITE_JPEG_PROGRESSIVE, 1})};
    case 7:
    case 8:
      return {".jpg",
              turned(encoded(".jpg", pixels), static_cast<unsigned char>(1 + number / 12 % 8))};
    default:
      break;
  }
  return {".jpg", encoded(".jpg", pixels, {cv::IMWRITE_JPEG_QUALITY, 80})};
}

int run(const fs::path& directory, int count) {
  cv::RNG random(2027);
  const cv::Mat whole = scene(random);
  std::set<std::pair<int, int>> sizes;
  for (int number = 0; number < count; ++number) {
    const cv::Size size = new_size(random, sizes);
    const cv::Point corner(random.uniform(0, whole.cols - size.width),
                           random.uniform(0, whole.rows - size.height));
    const auto [ending, bytes] = picture(number, whole(cv::Rect(corner, size)));
    char name[16];
    std::snprintf(name, sizeof name, "%06d", number);
    std::ofstream stream(directory / (name + ending), std::ios::binary);
    stream.write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    if (!stream.flush()) {
      std::fprintf(stderr, "make_pictures: cannot write into %s\n", directory.c_str());
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc == 3 ? std::atoi(argv[2]) : 0;
  if (count < 1 || count > 100'000) {
    std::fprintf(stderr, "Usage: make_pictures DIR COUNT   (1 to 100000)\n");
    return 2;
  }
  return run(argv[1], count);
}
