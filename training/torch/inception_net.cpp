#include "training/torch/inception_net.h"

#include <algorithm>
#include <string>

#include "training/torch/winograd_convolution.h"

namespace imgrec::training {
namespace nn = torch::nn;

NetShape NetShape::of_width(unsigned percent, std::int64_t classes) {
  const auto scale = [percent](std::int64_t& channels) {
    channels = std::max<std::int64_t>(8, (channels * percent / 100 + 4) / 8 * 8);
  };
  NetShape shape;
  shape.classes = classes;
  if (percent == 100) return shape;
  scale(shape.stem);
  for (StageShape& stage : shape.stages) {
    BlockShape& block = stage.block;
    for (std::int64_t* part :
         {&stage.wide, &block.one, &block.three, &block.narrow_five, &block.five, &block.pool}) {
      scale(*part);
    }
  }
  return shape;
}

ConvUnitImpl::ConvUnitImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, bool halves,
                           std::int64_t first)
    : halve(halves),
      conv(register_module(
          "conv", nn::Conv2d(nn::Conv2dOptions(in, out, kernel).padding(kernel / 2).bias(false)))),
      norm(register_module("norm", nn::BatchNorm2d(nn::BatchNorm2dOptions(out)))) {
  norm->weight.set_requires_grad(false);
  const std::int64_t passed = std::min(out, in - first);
  if (passed <= 0) return;
  const torch::NoGradGuard no_grad;
  torch::Tensor weights = conv->weight.narrow(0, 0, passed).zero_();
  for (std::int64_t i = 0; i < passed; ++i) weights[i][first + i][kernel / 2][kernel / 2] = 1;
}

// Halving before the normalisation is less work, and the same as after it: it has no scale.
torch::Tensor ConvUnitImpl::forward(const torch::Tensor& x) {
  torch::Tensor y =
      winograd_fits(x, conv->weight) ? winograd_convolution(x, conv->weight) : conv->forward(x);
  if (halve) y = torch::max_pool2d(y, 2);
  return torch::silu(norm->forward(y));
}

InceptionBlockImpl::InceptionBlockImpl(std::int64_t in, const BlockShape& s)
    : one(register_module("one", ConvUnit(in, s.one, 1))),
      three(register_module("three", ConvUnit(in, s.three, 3, false, s.one))),
      narrow_five(
          register_module("narrow_five", ConvUnit(in, s.narrow_five, 1, false, s.one + s.three))),
      five_a(register_module("five_a", ConvUnit(s.narrow_five, s.five, 3))),
      five_b(register_module("five_b", ConvUnit(s.five, s.five, 3))),
      pool(register_module("pool", ConvUnit(in, s.pool, 1, false, s.one + s.three + s.five))) {}

torch::Tensor InceptionBlockImpl::forward(const torch::Tensor& x) {
  return torch::cat({one->forward(x), three->forward(x),
                     five_b->forward(five_a->forward(narrow_five->forward(x))),
                     pool->forward(torch::max_pool2d(x, 3, 1, 1))},
                    1);
}

InceptionNetImpl::InceptionNetImpl(const NetShape& the_shape)
    : shape(the_shape), stem(register_module("stem", ConvUnit(3, shape.stem, 3))) {
  stem->conv->weight.set_requires_grad(false);
  std::int64_t width = shape.stem;
  for (std::size_t i = 0; i < shape.stages.size(); ++i) {
    const StageShape& stage = shape.stages[i];
    const std::string number = std::to_string(i + 1);
    wides.push_back(register_module("wide" + number, ConvUnit(width, stage.wide, 3, true)));
    blocks.push_back(register_module("block" + number, InceptionBlock(stage.wide, stage.block)));
    width = stage.block.out();
  }
  head = register_module("head", nn::Linear(width, shape.classes));
}

torch::Tensor InceptionNetImpl::forward(torch::Tensor x) {
  x = stem->forward(x);
  for (std::size_t i = 0; i < blocks.size(); ++i) x = blocks[i]->forward(wides[i]->forward(x));
  return head->forward(torch::amax(x, {2, 3})) / kHeadDivisor;
}

InceptionNet copy_of(const InceptionNet& net) {
  const torch::NoGradGuard no_grad;
  InceptionNet copy(net->shape);
  const auto take = [](std::vector<torch::Tensor> to, const std::vector<torch::Tensor>& from) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i].set_data(from[i].clone());
  };
  take(copy->parameters(), net->parameters());
  take(copy->buffers(), net->buffers());
  return copy;
}

}  // namespace imgrec::training
