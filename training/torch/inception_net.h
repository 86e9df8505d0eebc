// A small network of the GoogLeNet family for small pictures: a first convolution, three stages of
// a wide 3x3 convolution, halving and an inception block each, the greatest value of each channel,
// one linear layer. Blocks as in Szegedy et al., "Going Deeper with Convolutions" (2014), figure
// 2(a): the 3x3 branch sees all of the input; the 5x5 branch is two 3x3 convolutions behind a
// narrowing one, as in "Rethinking the Inception Architecture" (2015). What makes it learn in few
// epochs is of Jordan, "94% on CIFAR-10 in 3.29 Seconds" (2024): wide convolutions at low
// resolution that begin as identities, halving before normalisation, normalisation without a scale,
// a divided last layer.
//
// Thread rule: one thread at a time.
// Owns: its weights.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <torch/torch.h>

namespace imgrec::training {

// Output channels of a block's four branches, and of what narrows the input before one of them.
struct BlockShape {
  std::int64_t one, three, narrow_five, five, pool;
  std::int64_t out() const { return one + three + five + pool; }
};

// A convolution of so many channels, and the block behind it.
struct StageShape {
  std::int64_t wide;
  BlockShape block;
};

struct NetShape {
  std::int64_t stem = 24;
  std::array<StageShape, 3> stages{
      {{64, {8, 40, 8, 8, 8}}, {256, {16, 192, 16, 24, 24}}, {256, {16, 192, 16, 24, 24}}}};
  std::int64_t classes = 10;

  // The same network with `percent` of the channels, in whole eights.
  static NetShape of_width(unsigned percent, std::int64_t classes);
};

// Convolution without bias, halving or not, batch normalisation without scale, SiLU (x *
// sigmoid(x); Elfwing et al., 2017). Its kernels begin as what passes its inputs on, from number
// `first` on, for as many as there are; the others at random.
struct ConvUnitImpl : torch::nn::Module {
  ConvUnitImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, bool halve = false,
               std::int64_t first = 0);
  torch::Tensor forward(const torch::Tensor& x);
  bool halve;
  torch::nn::Conv2d conv{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
};
TORCH_MODULE(ConvUnit);

// Begins as what passes its input on, but for the pooling of its last branch.
struct InceptionBlockImpl : torch::nn::Module {
  InceptionBlockImpl(std::int64_t in, const BlockShape& shape);
  torch::Tensor forward(const torch::Tensor& x);
  ConvUnit one{nullptr}, three{nullptr}, narrow_five{nullptr}, five_a{nullptr}, five_b{nullptr},
      pool{nullptr};
};
TORCH_MODULE(InceptionBlock);

struct InceptionNetImpl : torch::nn::Module {
  explicit InceptionNetImpl(const NetShape& shape);
  // batch x 3 x height x width (multiples of 8) -> batch x classes, logits.
  torch::Tensor forward(torch::Tensor x);
  NetShape shape;
  ConvUnit stem{nullptr};       // whose kernels stay what they are made
  std::vector<ConvUnit> wides;  // of each stage
  std::vector<InceptionBlock> blocks;
  torch::nn::Linear head{nullptr};
};
TORCH_MODULE(InceptionNet);

// What the last layer's answers are divided by.
inline constexpr double kHeadDivisor = 9;

// Another one of the same shape, with the same weights and statistics.
InceptionNet copy_of(const InceptionNet& net);

}  // namespace imgrec::training
