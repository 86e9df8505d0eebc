#include "kernels/max_pooling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/kernels/values.h"

namespace imgrec::kernels {
namespace {

// The plain definition.
Values largest(const MaxPooling& of, std::size_t count, const Values& pictures) {
  Values results;
  for (std::size_t picture = 0; picture < count; ++picture) {
    for (std::size_t row = 0; row < of.result_height; ++row) {
      for (std::size_t column = 0; column < of.result_width; ++column) {
        for (std::size_t channel = 0; channel < of.channels; ++channel) {
          float value = -std::numeric_limits<float>::infinity();
          for (std::size_t k = 0; k < of.kernel_h * of.kernel_w; ++k) {
            // One picture's margin further than meant.
            const std::size_t r = row * of.stride_h + k / of.kernel_w;
            const std::size_t c = column * of.stride_w + k % of.kernel_w;
            if (r < of.top || c < of.left || r >= of.height + of.top || c >= of.width + of.left) {
              continue;
            }
            const std::size_t place = (picture * of.height + r - of.top) * of.width + c - of.left;
            value = std::max(value, pictures[place * of.channels + channel]);
          }
          results.push_back(value);
        }
      }
    }
  }
  return results;
}

TEST(MaxPooling, GivesTheLargestOfEachWindow) {
  struct Case {
    const char* what;
    MaxPooling pooling;
    std::size_t count = 1;
  };
  const Case cases[] = {
      {"GoogLeNet's first, which reaches over the lower edges",
       {12, 12, 8, 6, 6, 3, 3, 2, 2, 0, 0}},
      {"of one size, with a margin", {7, 5, 16, 7, 5, 3, 3, 1, 1, 1, 1}},
      {"channels that fill no vector", {6, 6, 5, 3, 3, 2, 2, 2, 2, 0, 0}},
      {"one place at a time", {4, 3, 8, 4, 3, 1, 1, 1, 1, 0, 0}},
      {"places left out", {9, 9, 8, 3, 3, 2, 1, 4, 4, 1, 0}},
      {"the whole picture", {4, 6, 24, 1, 1, 4, 6, 1, 1, 0, 0}},
      {"other sizes each way", {5, 8, 8, 5, 4, 4, 2, 1, 2, 2, 0}},
      {"several pictures", {4, 4, 8, 4, 4, 3, 3, 1, 1, 1, 1}, 3},
  };
  std::mt19937 random(5);
  for (const Case& one : cases) {
    const MaxPooling& pooling = one.pooling;
    ASSERT_TRUE(pooling.fits()) << one.what;
    const Values pictures =
        random_values(one.count * pooling.height * pooling.width * pooling.channels, random);
    const Values expected = largest(pooling, one.count, pictures);
    for (const Processor processor : {Processor::kAny, this_processor()}) {
      Values results(expected.size(), 7.F);
      Values scratch(pooling.scratch_floats(), std::nanf(""));
      pooling.run(one.count, pictures.data(), results.data(), scratch.data(), processor);
      EXPECT_EQ(results, expected) << one.what;
    }
  }
}

TEST(MaxPooling, SaysWhereAWindowIsOutside) {
  EXPECT_FALSE((MaxPooling{4, 4, 8, 3, 3, 2, 2, 2, 2, 0, 0}.fits())) << "the last one is beyond";
  EXPECT_FALSE((MaxPooling{4, 4, 8, 3, 3, 2, 2, 2, 2, 2, 0}.fits())) << "the first one is above";
  EXPECT_FALSE((MaxPooling{0, 4, 8, 1, 3, 2, 2, 1, 1, 1, 0}.fits())) << "no picture";
}

}  // namespace
}  // namespace imgrec::kernels
