// A small network of the GoogLeNet family for small pictures: two convolutions, four inception
// blocks with batch normalisation, global average pooling, one linear layer. Blocks as in Szegedy
// et al., "Going Deeper with Convolutions" (2014), with the 5x5 branch as two 3x3 convolutions and
// batch normalisation as in "Rethinking the Inception Architecture" (2015).
//
// Thread rule: one thread at a time.
// Owns: its weights.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <torch/torch.h>

namespace imgrec::training {

// Output channels of a block's four branches, and of what narrows the input before two of them.
struct BlockShape {
  std::int64_t one, narrow_three, three, narrow_five, five, pool;
  std::int64_t out() const { return one + three + five + pool; }
};

struct NetShape {
  std::int64_t stem1 = 32;
  std::int64_t stem2 = 40;
  std::array<BlockShape, 4> blocks{{{32, 32, 48, 16, 24, 24},
                                    {48, 48, 80, 16, 32, 32},
                                    {96, 80, 144, 24, 48, 48},
                                    {128, 96, 176, 32, 64, 64}}};
  std::int64_t classes = 10;

  // The same network with `percent` of the channels, in whole eights.
  static NetShape of_width(unsigned percent, std::int64_t classes);
};

// Convolution without bias, batch normalisation, ReLU.
struct ConvUnitImpl : torch::nn::Module {
  ConvUnitImpl(std::int64_t in, std::int64_t out, std::int64_t kernel);
  torch::Tensor forward(const torch::Tensor& x);
  torch::nn::Conv2d conv{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
};
TORCH_MODULE(ConvUnit);

struct InceptionBlockImpl : torch::nn::Module {
  InceptionBlockImpl(std::int64_t in, const BlockShape& shape);
  torch::Tensor forward(const torch::Tensor& x);
  ConvUnit one{nullptr}, narrow_three{nullptr}, three{nullptr}, narrow_five{nullptr},
      five_a{nullptr}, five_b{nullptr}, pool{nullptr};
};
TORCH_MODULE(InceptionBlock);

struct InceptionNetImpl : torch::nn::Module {
  explicit InceptionNetImpl(const NetShape& shape);
  // batch x 3 x height x width (at least 8 x 8) -> batch x classes, logits.
  torch::Tensor forward(torch::Tensor x);
  NetShape shape;
  ConvUnit stem1{nullptr}, stem2{nullptr};
  std::vector<InceptionBlock> blocks;
  torch::nn::Linear head{nullptr};
};
TORCH_MODULE(InceptionNet);

// Another one of the same shape, with the same weights and statistics.
InceptionNet copy_of(const InceptionNet& net);

}  // namespace imgrec::training
