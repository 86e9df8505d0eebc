#include "training/torch/inception_net.h"

#include <algorithm>
#include <string>

namespace imgrec::training {
namespace nn = torch::nn;

NetShape NetShape::of_width(unsigned percent, std::int64_t classes) {
  const auto scale = [percent](std::int64_t& channels) {
    channels = std::max<std::int64_t>(8, (channels * percent / 100 + 4) / 8 * 8);
  };
  NetShape shape;
  shape.classes = classes;
  if (percent == 100) return shape;
  for (std::int64_t* stem : {&shape.stem1, &shape.stem2}) scale(*stem);
  for (BlockShape& block : shape.blocks) {
    for (std::int64_t* part : {&block.one, &block.narrow_three, &block.three, &block.narrow_five,
                               &block.five, &block.pool}) {
      scale(*part);
    }
  }
  return shape;
}

ConvUnitImpl::ConvUnitImpl(std::int64_t in, std::int64_t out, std::int64_t kernel)
    : conv(register_module(
          "conv", nn::Conv2d(nn::Conv2dOptions(in, out, kernel).padding(kernel / 2).bias(false)))),
      norm(register_module("norm", nn::BatchNorm2d(out))) {
  nn::init::kaiming_normal_(conv->weight, 0.0, torch::kFanOut, torch::kReLU);
}

torch::Tensor ConvUnitImpl::forward(const torch::Tensor& x) {
  return norm->forward(conv->forward(x)).relu_();
}

InceptionBlockImpl::InceptionBlockImpl(std::int64_t in, const BlockShape& s)
    : one(register_module("one", ConvUnit(in, s.one, 1))),
      narrow_three(register_module("narrow_three", ConvUnit(in, s.narrow_three, 1))),
      three(register_module("three", ConvUnit(s.narrow_three, s.three, 3))),
      narrow_five(register_module("narrow_five", ConvUnit(in, s.narrow_five, 1))),
      five_a(register_module("five_a", ConvUnit(s.narrow_five, s.five, 3))),
      five_b(register_module("five_b", ConvUnit(s.five, s.five, 3))),
      pool(register_module("pool", ConvUnit(in, s.pool, 1))) {}

torch::Tensor InceptionBlockImpl::forward(const torch::Tensor& x) {
  return torch::cat({one->forward(x), three->forward(narrow_three->forward(x)),
                     five_b->forward(five_a->forward(narrow_five->forward(x))),
                     pool->forward(torch::max_pool2d(x, 3, 1, 1))},
                    1);
}

InceptionNetImpl::InceptionNetImpl(const NetShape& the_shape)
    : shape(the_shape),
      stem1(register_module("stem1", ConvUnit(3, shape.stem1, 3))),
      stem2(register_module("stem2", ConvUnit(shape.stem1, shape.stem2, 3))) {
  std::int64_t width = shape.stem2;
  for (std::size_t i = 0; i < shape.blocks.size(); ++i) {
    blocks.push_back(
        register_module("block" + std::to_string(i + 1), InceptionBlock(width, shape.blocks[i])));
    width = shape.blocks[i].out();
  }
  head = register_module("head", nn::Linear(width, shape.classes));
}

torch::Tensor InceptionNetImpl::forward(torch::Tensor x) {
  x = stem2->forward(stem1->forward(x));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i % 2 == 0) x = torch::max_pool2d(x, 2);
    x = blocks[i]->forward(x);
  }
  return head->forward(x.mean({2, 3}));
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
