#include "worker/inference/preprocess.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/dnn.hpp>
#include <opencv2/imgproc.hpp>

#include "tests/unit/worker_inference/test_files.h"

namespace imgrec::worker {
namespace {

cv::Mat noise(int width, int height) {
  cv::Mat pixels(height, width, CV_8UC3);
  cv::RNG(3).fill(pixels, cv::RNG::UNIFORM, 0, 256);
  return pixels;
}

ModelSpec googlenet_spec() {
  ModelSpec spec = testing::tiny_spec();
  spec.input_width = spec.input_height = 224;
  spec.resize_width = spec.resize_height = 256;
  return spec;
}

// OpenCV's own preparation of a network's input.
std::vector<float> blob(const cv::Mat& pixels, const ModelSpec& spec, int interpolation) {
  cv::Mat squashed;
  cv::resize(pixels, squashed, cv::Size(int(spec.resize_width), int(spec.resize_height)), 0, 0,
             interpolation);
  const cv::Size size(int(spec.input_width), int(spec.input_height));
  const cv::Point corner((squashed.cols - size.width) / 2, (squashed.rows - size.height) / 2);
  const cv::Mat result =
      cv::dnn::blobFromImage(squashed(cv::Rect(corner, size)), 1, size,
                             cv::Scalar(spec.mean[0], spec.mean[1], spec.mean[2]),
                             spec.channels == ChannelOrder::kRgb, false);
  const auto* first = result.ptr<float>();
  std::vector<float> values(first, first + result.total());
  for (std::size_t i = 0; i < values.size(); ++i) {  // OpenCV has one for all channels
    values[i] *= static_cast<float>(spec.scale[i / (values.size() / 3)]);
  }
  return values;
}

float difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return HUGE_VALF;
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

float mean_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return HUGE_VALF;
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(double(a[i]) - double(b[i]));
  return float(sum / double(a.size()));
}

TEST(Preprocess, GivesWhatOpenCvsBlobGives) {
  for (const cv::Size size :
       {cv::Size(500, 375), cv::Size(224, 224), cv::Size(1, 1), cv::Size(31, 511)}) {
    const cv::Mat pixels = noise(size.width, size.height);
    const ModelSpec spec = googlenet_spec();
    EXPECT_EQ(difference(preprocess({pixels}, spec), blob(pixels, spec, cv::INTER_LINEAR)), 0)
        << size;
  }
}

TEST(Preprocess, HonoursFilterChannelsMeanScaleAndUnequalSides) {
  ModelSpec spec = googlenet_spec();
  spec.input_width = 200;
  spec.input_height = 101;
  spec.resize_width = 211;
  spec.resize_height = 120;
  spec.filter = ResizeFilter::kArea;
  spec.channels = ChannelOrder::kRgb;
  spec.mean = {1, 20, 300};
  spec.scale = {0.017, 0.02, 0.01};
  const cv::Mat pixels = noise(640, 480);
  // One of 256 steps: where an average lies between two, rounding may take the other.
  EXPECT_LT(difference(preprocess({pixels}, spec), blob(pixels, spec, cv::INTER_AREA)), 0.02001F);
  EXPECT_LT(mean_difference(preprocess({pixels}, spec), blob(pixels, spec, cv::INTER_AREA)),
            0.0002F);
}

TEST(Preprocess, AveragesAPictureOfTwiceTheSizeOrMore) {
  const ModelSpec spec = googlenet_spec();
  for (const cv::Size size : {cv::Size(512, 512), cv::Size(512, 300), cv::Size(1000, 750)}) {
    const cv::Mat pixels = noise(size.width, size.height);
    EXPECT_LE(difference(preprocess({pixels}, spec), blob(pixels, spec, cv::INTER_AREA)), 1)
        << size;
  }
}

TEST(Preprocess, AveragesAlongALongSideAndInterpolatesAlongAShortOne) {
  cv::Mat stripes(100, 2048, CV_8UC3);  // columns of 0, 255, 0, 255, …
  for (int x = 0; x < stripes.cols; ++x) stripes.col(x).setTo(cv::Scalar::all(x % 2 * 255));
  ModelSpec spec = googlenet_spec();
  spec.mean = {};
  for (const float value : preprocess({stripes}, spec)) ASSERT_NEAR(value, 127.5F, 0.51F);
}

TEST(Preprocess, TurnsThePictureUpright) {
  // OpenCV's own turning, of the whole picture: it agrees but for rounding.
  const cv::Mat stored = noise(90, 60);
  ModelSpec spec = googlenet_spec();
  spec.resize_width = 120;
  spec.resize_height = 60;
  spec.input_width = 100;
  spec.input_height = 50;
  using media::Orientation;
  const auto flipped = [](const cv::Mat& pixels, int how) {
    cv::Mat result;
    cv::flip(pixels, result, how);
    return result;
  };
  const cv::Mat transposed = stored.t();
  const std::vector<std::pair<Orientation, cv::Mat>> cases = {
      {Orientation::kUpright, stored},
      {Orientation::kMirror, flipped(stored, 1)},
      {Orientation::kTurnHalf, flipped(stored, -1)},
      {Orientation::kFlip, flipped(stored, 0)},
      {Orientation::kTranspose, transposed},
      {Orientation::kTurnRight, flipped(transposed, 1)},
      {Orientation::kTransverse, flipped(transposed, -1)},
      {Orientation::kTurnLeft, flipped(transposed, 0)},
  };
  for (const auto& [orientation, upright] : cases) {
    EXPECT_LE(difference(preprocess({stored, orientation}, spec), preprocess({upright}, spec)), 1)
        << static_cast<int>(orientation);
  }
}

TEST(Preprocess, TakesAPartOfALargerPicture) {  // rows are then not next to each other
  const cv::Mat whole = noise(300, 300);
  const cv::Mat part = whole(cv::Rect(20, 30, 200, 150));
  EXPECT_EQ(difference(preprocess({part}, googlenet_spec()),
                       preprocess({part.clone()}, googlenet_spec())),
            0);
}

}  // namespace
}  // namespace imgrec::worker
