#include "kernels/winograd_convolution.h"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kernels/values.h"

namespace imgrec::kernels {
namespace {

using Shape = WinogradConvolution::Shape;

constexpr float kEndless = std::numeric_limits<float>::infinity();

struct Case {
  std::string what;
  Shape shape;
  std::size_t count = 1;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.what; }

// The plain definition.
Values convolution(const Case& one, const Values& pictures, const Values& kernels,
                   const Values& bias) {
  const Shape& s = one.shape;
  const std::size_t size = s.kernel * s.kernel;
  Values results;
  for (std::size_t picture = 0; picture < one.count; ++picture) {
    for (std::size_t row = 0; row < s.result_height(); ++row) {
      for (std::size_t column = 0; column < s.result_width(); ++column) {
        for (std::size_t output = 0; output < s.outputs; ++output) {
          double sum = bias[output];
          for (std::size_t k = 0; k < size; ++k) {
            const std::size_t r = row + k / s.kernel,
                              c = column + k % s.kernel;  // of the picture with its zeros
            if (r < s.top || c < s.left || r >= s.top + s.height || c >= s.left + s.width) continue;
            const std::size_t place = (picture * s.height + r - s.top) * s.width + c - s.left;
            for (std::size_t channel = 0; channel < s.channels; ++channel) {
              sum += static_cast<double>(pictures[place * s.channels + channel]) *
                     kernels[(output * s.channels + channel) * size + k];
            }
          }
          results.push_back(std::clamp(static_cast<float>(sum), s.least, s.most));
        }
      }
    }
  }
  return results;
}

class WinogradConvolutionTest : public testing::TestWithParam<Case> {};

TEST_P(WinogradConvolutionTest, IsAConvolution) {
  const Case& one = GetParam();
  const Shape& s = one.shape;
  ASSERT_TRUE(WinogradConvolution::fits(s));
  std::mt19937 random(11);
  const Values pictures = random_values(one.count * s.height * s.width * s.channels, random);
  const Values kernels = random_values(s.outputs * s.channels * s.kernel * s.kernel, random);
  const Values bias = random_values(s.outputs, random);
  const Values expected = convolution(one, pictures, kernels, bias);
  float largest = 1;
  for (const float value : expected) largest = std::max(largest, std::abs(value));

  const WinogradConvolution kernel(s, kernels, bias);
  for (const Processor processor : {Processor::kAny, this_processor()}) {
    constexpr float kUntouched = 1234;
    Values results(expected.size() + 1, 7.F);  // what was there does not matter
    Values scratch(kernel.scratch_floats(one.count) + 1, std::nanf(""));
    results.back() = scratch.back() = kUntouched;
    kernel.run(one.count, pictures.data(), results.data(), scratch.data(), processor);
    EXPECT_EQ(results.back(), kUntouched) << "beyond its results";
    EXPECT_EQ(scratch.back(), kUntouched) << "beyond its scratch";
    results.pop_back();
    EXPECT_THAT(results, testing::Pointwise(testing::FloatNear(2e-5F * largest), expected));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, WinogradConvolutionTest,
    testing::Values(Case{"whole tiles", {8, 12, 16, 1, 1, 1, 1, 3, 32}},
                    Case{"tiles that reach over the edges", {7, 9, 8, 1, 1, 1, 1, 3, 16}},
                    Case{"a block of outputs that is half full", {4, 4, 24, 1, 1, 1, 1, 3, 40}},
                    Case{"one place of result", {3, 3, 8, 0, 0, 0, 0, 3, 8}},
                    Case{"one place of picture", {1, 1, 8, 1, 1, 1, 1, 3, 8}},
                    Case{"no zeros around", {10, 11, 8, 0, 0, 0, 0, 3, 8}},
                    Case{"other zeros on each side", {6, 5, 8, 3, 0, 2, 7, 3, 8}},
                    Case{"more zeros than a tile has places", {2, 3, 8, 9, 8, 8, 9, 3, 8}},
                    Case{"more tiles than are done at once", {24, 28, 256, 1, 1, 1, 1, 3, 8}},
                    Case{"5x5, whole tiles", {8, 6, 16, 2, 2, 2, 2, 5, 32}},
                    Case{"5x5, tiles that reach over the edges", {7, 9, 24, 2, 2, 2, 2, 5, 40}},
                    Case{"5x5, one place of result", {5, 5, 8, 0, 0, 0, 0, 5, 8}},
                    Case{"5x5, one place of picture", {1, 1, 8, 2, 2, 2, 2, 5, 8}},
                    Case{"5x5, several pictures", {4, 5, 8, 2, 2, 2, 2, 5, 8, 0, 6}, 2},
                    Case{"several pictures", {5, 6, 8, 1, 1, 1, 1, 3, 24}, 3},
                    Case{"ReLU", {8, 8, 8, 1, 1, 1, 1, 3, 8, 0, kEndless}},
                    Case{"ReLU6", {8, 8, 32, 1, 1, 1, 1, 3, 8, 0, 6}}),
    [](const auto& one) {
      std::string name = one.param.what;
      std::erase(name, ',');
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

TEST(WinogradConvolution, SaysWhatDoesNotFit) {
  const Shape good{8, 8, 8, 1, 1, 1, 1, 3, 8};
  EXPECT_TRUE(WinogradConvolution::fits(good));
  for (const auto member : {&Shape::channels, &Shape::outputs}) {
    for (const std::size_t number : {0, 3, 12}) {
      Shape other = good;
      other.*member = number;
      EXPECT_FALSE(WinogradConvolution::fits(other)) << number;
    }
  }
  EXPECT_TRUE(WinogradConvolution::fits({8, 8, 512, 1, 1, 1, 1, 3, 512}));
  EXPECT_FALSE(WinogradConvolution::fits({8, 8, 512, 1, 1, 1, 1, 3, 1024})) << "too much memory";
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  EXPECT_FALSE(WinogradConvolution::fits({8, 8, 8, kMost / 2, 1, kMost / 2, 1, 3, 8}));
  EXPECT_FALSE(WinogradConvolution::fits({8, 8, kMost - 7, 1, 1, 1, 1, 3, kMost - 7}));
  for (const std::size_t kernel : {1, 2, 4, 6, 7}) {
    Shape other = good;
    other.kernel = kernel;
    EXPECT_FALSE(WinogradConvolution::fits(other)) << kernel;
  }
  EXPECT_FALSE(WinogradConvolution::fits({4, 8, 8, 0, 0, 0, 0, 5, 8})) << "four places of height";
  EXPECT_FALSE(WinogradConvolution::fits({1, 8, 8, 1, 1, 0, 1, 3, 8})) << "two places of height";
  EXPECT_FALSE(WinogradConvolution::fits({8, 2, 8, 1, 0, 1, 0, 3, 8})) << "two places of width";
}

}  // namespace
}  // namespace imgrec::kernels
