#include "kernels/local_normalisation.h"

#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kernels/values.h"

namespace imgrec::kernels {
namespace {

// The plain definition.
Values normalised(const LocalNormalisation& of, const Values& values) {
  Values results;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t channel = i % of.channels;
    double sum = 0;
    for (std::size_t n = 0; n < of.size; ++n) {
      const std::size_t neighbour = channel + n;  // half a window further than meant
      if (neighbour < of.size / 2 || neighbour >= of.channels + of.size / 2) continue;
      const double value = values[i + n - of.size / 2];
      sum += value * value;
    }
    const double base = of.k + of.alpha / static_cast<double>(of.size) * sum;
    results.push_back(static_cast<float>(values[i] * std::pow(base, -0.75)));
  }
  return results;
}

TEST(LocalNormalisation, DividesByWhatIsNear) {
  struct Case {
    const char* what;
    LocalNormalisation normalisation;
    std::size_t places;
  };
  const Case cases[] = {
      {"GoogLeNet's", {64, 5, 1e-4F, 1}, 12},
      {"strong enough to show", {32, 5, 20, 2}, 5},
      {"of three", {24, 3, 20, 0.5F}, 5},
      {"channels that fill no vector", {13, 5, 20, 1}, 7},
      {"fewer channels than neighbours", {2, 5, 20, 1}, 4},
      {"one channel", {1, 3, 20, 1}, 9},
  };
  std::mt19937 random(6);
  for (const auto& [what, normalisation, places] : cases) {
    ASSERT_TRUE(normalisation.fits()) << what;
    const Values values = random_values(places * normalisation.channels, random);
    const Values expected = normalised(normalisation, values);
    for (const Processor processor : {Processor::kAny, this_processor()}) {
      Values results(values.size(), 7.F);
      Values scratch(normalisation.scratch_floats(), std::nanf(""));
      normalisation.run(places, values.data(), results.data(), scratch.data(), processor);
      EXPECT_THAT(results, testing::Pointwise(testing::FloatNear(1e-6F), expected)) << what;
    }
  }
}

TEST(LocalNormalisation, SaysWhatDoesNotFit) {
  EXPECT_FALSE((LocalNormalisation{8, 7, 1, 1}.fits()));
  EXPECT_FALSE((LocalNormalisation{8, 4, 1, 1}.fits()));
  EXPECT_FALSE((LocalNormalisation{0, 5, 1, 1}.fits()));
}

}  // namespace
}  // namespace imgrec::kernels
