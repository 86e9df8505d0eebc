#include "training/torch/winograd_convolution.h"

#include <gtest/gtest.h>

namespace imgrec::training {
namespace {

struct Case {
  std::int64_t batch, in, out, height, width;
};

class WinogradConvolution : public testing::TestWithParam<Case> {};

torch::Tensor leaf(torch::Tensor values) { return values.detach().set_requires_grad(true); }

// Relative to the largest value: what is small by cancellation is as wrong as the rest.
double difference(const torch::Tensor& is, const torch::Tensor& should_be) {
  return ((is.to(torch::kDouble) - should_be).abs().max() / should_be.abs().max()).item<double>();
}

TEST_P(WinogradConvolution, IsTheConvolutionOfDoublePrecisionAndSoAreItsGradients) {
  const Case& shape = GetParam();
  torch::manual_seed(5);
  const torch::Tensor x = leaf(torch::randn({shape.batch, shape.in, shape.height, shape.width}));
  const torch::Tensor kernels = leaf(torch::randn({shape.out, shape.in, 3, 3}));
  const torch::Tensor to = torch::randn({shape.batch, shape.out, shape.height, shape.width});
  ASSERT_TRUE(winograd_fits(x, kernels));

  const torch::Tensor exact_x = leaf(x.to(torch::kDouble));
  const torch::Tensor exact_kernels = leaf(kernels.to(torch::kDouble));
  const torch::Tensor exact = torch::conv2d(exact_x, exact_kernels, {}, 1, 1);
  exact.backward(to.to(torch::kDouble));

  const torch::Tensor y = winograd_convolution(x, kernels);
  y.backward(to);
  ASSERT_EQ(y.sizes(), exact.sizes());
  EXPECT_LT(difference(y, exact), 2e-5);
  EXPECT_LT(difference(x.grad(), exact_x.grad()), 2e-5);
  EXPECT_LT(difference(kernels.grad(), exact_kernels.grad()), 2e-5);
}

INSTANTIATE_TEST_SUITE_P(Shapes, WinogradConvolution,
                         testing::Values(Case{1, 24, 24, 4, 4},    // one tile, all of it at an edge
                                         Case{3, 32, 64, 8, 8},    // fewer pictures than a piece
                                         Case{5, 24, 40, 32, 32},  // two pieces and a half
                                         Case{3, 64, 32, 12, 4},   // not a square
                                         Case{70, 40, 24, 8, 4}));  // tiles in one row alone

TEST(WinogradConvolution, TakesWhatItCanAndNothingElse) {
  const torch::Tensor x = torch::zeros({2, 32, 8, 8});
  const torch::Tensor kernels = torch::zeros({64, 32, 3, 3});
  EXPECT_TRUE(winograd_fits(x, kernels));
  EXPECT_TRUE(winograd_fits(x.contiguous(at::MemoryFormat::ChannelsLast), kernels));
  EXPECT_FALSE(winograd_fits(torch::zeros({2, 32, 8, 6}), kernels)) << "half a tile";
  EXPECT_FALSE(winograd_fits(torch::zeros({2, 32, 7, 8}), kernels));
  EXPECT_FALSE(winograd_fits(x, torch::zeros({64, 32, 1, 1}))) << "not 3x3";
  EXPECT_FALSE(winograd_fits(x, torch::zeros({60, 32, 3, 3}))) << "not in eights";
  EXPECT_FALSE(winograd_fits(x, torch::zeros({8, 32, 3, 3}))) << "too few to be worth it";
  EXPECT_FALSE(winograd_fits(x.to(torch::kDouble), kernels.to(torch::kDouble)));
}

}  // namespace
}  // namespace imgrec::training
