#include "worker/inference/probe_inputs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "worker/inference/preprocess.h"

namespace imgrec::worker {
namespace {

// Numerical Recipes' generator: the same numbers everywhere.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : state_(seed) {}
  std::uint8_t byte() {
    state_ = state_ * 1664525U + 1013904223U;
    return static_cast<std::uint8_t>(state_ >> 24);
  }
  double unit() { return byte() / 256.0; }

 private:
  std::uint32_t state_;
};

// `value`: of column, row and channel.
template <class Value>
Picture picture_of(const ModelSpec& spec, Value&& value) {
  Picture picture;
  picture.pixels.create(static_cast<int>(spec.resize_height), static_cast<int>(spec.resize_width),
                        CV_8UC3);
  for (int y = 0; y < picture.pixels.rows; ++y) {
    auto* row = picture.pixels.ptr<std::uint8_t>(y);
    for (int x = 0; x < picture.pixels.cols; ++x) {
      for (int channel = 0; channel < 3; ++channel) *row++ = value(x, y, channel);
    }
  }
  return picture;
}

Picture noise(const ModelSpec& spec) {
  Dice dice(12345);
  return picture_of(spec, [&](int, int, int) { return dice.byte(); });
}

Picture slope(const ModelSpec& spec, bool down) {
  const int steps = static_cast<int>(down ? spec.resize_height : spec.resize_width);
  return picture_of(spec, [&](int x, int y, int channel) {
    const int at = (down ? y : x) * 255 / steps;
    return static_cast<std::uint8_t>(channel == 1 ? 255 - at : at);
  });
}

// A few long waves in each channel, whose sum has the soft spectrum of a photo.
Picture soft_shapes(const ModelSpec& spec, std::uint32_t seed) {
  struct Wave {
    double right, down, phase, height;
  };
  Dice dice(seed);
  std::array<std::array<Wave, 5>, 3> waves{};
  for (auto& of_channel : waves) {
    for (std::size_t i = 0; i < of_channel.size(); ++i) {
      const double cycles = static_cast<double>(i) + 1;
      of_channel[i] = {(2 * dice.unit() - 1) * cycles, (2 * dice.unit() - 1) * cycles, dice.unit(),
                       60 / cycles};
    }
  }
  const double width = spec.resize_width;
  const double height = spec.resize_height;
  return picture_of(spec, [&](int x, int y, int channel) {
    double value = 128;
    for (const Wave& wave : waves[static_cast<std::size_t>(channel)]) {
      const double turns = wave.right * x / width + wave.down * y / height + wave.phase;
      value += wave.height * std::sin(2 * std::numbers::pi * turns);
    }
    return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
  });
}

}  // namespace

std::vector<std::vector<float>> probe_inputs(const ModelSpec& spec) {
  std::vector<std::vector<float>> inputs;
  for (const Picture& picture :
       {noise(spec), slope(spec, false), slope(spec, true), soft_shapes(spec, 1),
        soft_shapes(spec, 2), soft_shapes(spec, 3)}) {
    inputs.push_back(preprocess(picture, spec));
  }
  return inputs;
}

}  // namespace imgrec::worker
