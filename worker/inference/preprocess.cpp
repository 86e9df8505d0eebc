#include "worker/inference/preprocess.h"

#include <cstddef>
#include <cstdint>

#include <opencv2/imgproc.hpp>

namespace imgrec::worker {

std::vector<float> preprocess(const cv::Mat& pixels, const ModelSpec& spec) {
  const int width = static_cast<int>(spec.input_width);
  const int height = static_cast<int>(spec.input_height);
  cv::Mat squashed;
  cv::resize(pixels, squashed,
             cv::Size(static_cast<int>(spec.resize_width), static_cast<int>(spec.resize_height)), 0,
             0, spec.filter == ResizeFilter::kArea ? cv::INTER_AREA : cv::INTER_LINEAR);
  const cv::Rect centre((squashed.cols - width) / 2, (squashed.rows - height) / 2, width, height);
  const cv::Mat cropped = squashed(centre);

  const std::size_t plane = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  std::vector<float> input(3 * plane);
  for (int channel = 0; channel < 3; ++channel) {
    const int source = spec.channels == ChannelOrder::kRgb ? 2 - channel : channel;
    const auto mean = static_cast<float>(spec.mean[static_cast<std::size_t>(channel)]);
    const auto scale = static_cast<float>(spec.scale[static_cast<std::size_t>(channel)]);
    float* out = input.data() + static_cast<std::size_t>(channel) * plane;
    for (int y = 0; y < height; ++y) {
      const std::uint8_t* in = cropped.ptr<std::uint8_t>(y) + source;
      for (int x = 0; x < width; ++x, in += 3) *out++ = (static_cast<float>(*in) - mean) * scale;
    }
  }
  return input;
}

}  // namespace imgrec::worker
