// Weights in a byte each: symmetric, with a scale for each output channel (Krishnamoorthi,
// "Quantizing deep convolutional networks for efficient inference", 2018, section 3).
//
// Thread rule: none of its own. Owns: its tensors.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/torch.h>

namespace imgrec::training {

struct ByteWeights {
  torch::Tensor bytes;   // kInt8, as the weights
  torch::Tensor factor;  // one for each output channel: channels x 1 x 1…

  // `weights`: output channels first, at least two dimensions.
  explicit ByteWeights(const torch::Tensor& weights) {
    constexpr double kMost = 127;
    const torch::Tensor most = weights.detach().flatten(1).abs().amax(1) / kMost;
    std::vector<std::int64_t> shape(static_cast<std::size_t>(weights.dim()), 1);
    shape[0] = weights.size(0);
    factor = torch::where(most > 0, most, torch::ones_like(most)).reshape(shape);
    bytes = (weights.detach() / factor).round().clamp(-kMost, kMost).to(torch::kInt8);
  }
  torch::Tensor value() const { return bytes.to(torch::kFloat) * factor; }
};

}  // namespace imgrec::training
