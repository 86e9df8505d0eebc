#include "kernels/winograd.h"

#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/kernels/values.h"

namespace imgrec::kernels::winograd {
namespace {

std::size_t values_of(const Pictures& pictures) { return pictures.count * pictures.values_each(); }
std::size_t values_of_planes(const Pictures& pictures) {
  return kPlanes * pictures.tiles() * pictures.channels;
}

double product(const Values& a, const Values& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// A kernel's 36 numbers.
Values kernel_planes(const Values& kernel) {
  constexpr auto kSums = kernel_sums<3>();
  Values planes(kPlanes);
  for (std::size_t i = 0; i < 6; ++i) {
    for (std::size_t j = 0; j < 6; ++j) {
      for (std::size_t k = 0; k < 9; ++k) {
        planes[i * 6 + j] += kSums[i][k / 3] * kernel[k] * kSums[j][k % 3];
      }
    }
  }
  return planes;
}

// The plain definition, for one picture's channel.
double correlation(const Pictures& of, const Values& values, std::size_t picture, std::size_t row,
                   std::size_t column, std::size_t channel, const Values& kernel) {
  double sum = 0;
  for (std::size_t k = 0; k < 9; ++k) {
    const std::size_t r = row + k / 3, c = column + k % 3;  // one further than meant
    if (r < 1 || c < 1 || r > of.height || c > of.width) continue;
    sum +=
        kernel[k] *
        values[picture * of.values_each() + ((r - 1) * of.width + c - 1) * of.channels + channel];
  }
  return sum;
}

// What is before and behind the products makes a convolution of them: here each channel's own.
TEST(Winograd, ProductsOfPlanesAreConvolutions) {
  std::mt19937 random(3);
  const Pictures shape{2, 12, 8, 16};
  const Values pictures = random_values(values_of(shape), random);
  const Values kernel = random_values(9, random);
  const Values kernel_numbers = kernel_planes(kernel);

  Values planes(values_of_planes(shape));
  to_planes(shape, pictures.data(), planes.data());
  const std::size_t plane = planes.size() / kPlanes;
  for (std::size_t i = 0; i < planes.size(); ++i) planes[i] *= kernel_numbers[i / plane];
  Values results(pictures.size(), 7.F);  // what was there does not matter
  from_planes(shape, planes.data(), results.data());

  std::size_t i = 0;
  for (std::size_t picture = 0; picture < shape.count; ++picture) {
    for (std::size_t row = 0; row < shape.height; ++row) {
      for (std::size_t column = 0; column < shape.width; ++column) {
        for (std::size_t channel = 0; channel < shape.channels; ++channel, ++i) {
          ASSERT_NEAR(results[i],
                      correlation(shape, pictures, picture, row, column, channel, kernel), 2e-5)
              << picture << ": " << row << ", " << column << ", " << channel;
        }
      }
    }
  }
}

// A gradient is the transposed map: f(x) * y = x * f'(y), whatever x and y.
TEST(Winograd, GradientsAreTheSameSumsTransposed) {
  std::mt19937 random(4);
  const Pictures shape{3, 8, 12, 24};
  const Values pictures = random_values(values_of(shape), random);
  const Values planes = random_values(values_of_planes(shape), random);
  Values made_pictures(pictures.size(), 7.F);
  Values made_planes(planes.size(), 7.F);

  to_planes(shape, pictures.data(), made_planes.data());
  gradient_from_planes(shape, planes.data(), made_pictures.data());
  EXPECT_NEAR(product(made_planes, planes), product(pictures, made_pictures), 0.05);
  EXPECT_GT(std::abs(product(made_planes, planes)), 1) << "says something";

  from_planes(shape, planes.data(), made_pictures.data());
  gradient_to_planes(shape, pictures.data(), made_planes.data());
  EXPECT_NEAR(product(made_planes, planes), product(pictures, made_pictures), 0.05);
  EXPECT_GT(std::abs(product(made_planes, planes)), 1) << "says something";
}

}  // namespace
}  // namespace imgrec::kernels::winograd
