#include "worker/inference/preprocess.h"

#include <algorithm>
#include <cmath>
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

TEST(Preprocess, GivesWhatOpenCvsBlobGives) {
  for (const cv::Size size :
       {cv::Size(500, 375), cv::Size(224, 224), cv::Size(1, 1), cv::Size(31, 900)}) {
    const cv::Mat pixels = noise(size.width, size.height);
    const ModelSpec spec = googlenet_spec();
    EXPECT_EQ(difference(preprocess(pixels, spec), blob(pixels, spec, cv::INTER_LINEAR)), 0)
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
  spec.scale = {0.017, 0.02, 1};
  const cv::Mat pixels = noise(640, 480);
  EXPECT_LT(difference(preprocess(pixels, spec), blob(pixels, spec, cv::INTER_AREA)), 1e-5F);
}

TEST(Preprocess, TakesAPartOfALargerPicture) {  // rows are then not next to each other
  const cv::Mat whole = noise(300, 300);
  const cv::Mat part = whole(cv::Rect(20, 30, 200, 150));
  EXPECT_EQ(
      difference(preprocess(part, googlenet_spec()), preprocess(part.clone(), googlenet_spec())),
      0);
}

}  // namespace
}  // namespace imgrec::worker
