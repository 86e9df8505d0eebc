// 3x3 convolutions with a quarter of the products, for training on a processor: oneDNN has
// Winograd's algorithm for AVX-512 alone, and for no gradient. See kernels/winograd.h, and
// docs/decisions/0022-training-on-a-processor.md for what it brings.
//
// Thread rule: as LibTorch's own operators. Owns: nothing.
#pragma once

#include <torch/torch.h>

namespace imgrec::training {

// x: batch x in x height x width, kernels: out x in x 3 x 3, one place of zeros around x, steps of
// one. True: winograd_convolution() takes them, and they are wide enough to be worth it.
bool winograd_fits(const torch::Tensor& x, const torch::Tensor& kernels);

// batch x out x height x width, channels last. Differentiable, once. As conv2d, but for rounding:
// some 1e-5 of the largest result. REQUIRES: winograd_fits().
torch::Tensor winograd_convolution(const torch::Tensor& x, const torch::Tensor& kernels);

}  // namespace imgrec::training
