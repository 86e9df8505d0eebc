#include "training/torch/committee.h"

#include <utility>

#include "training/torch/byte_weights.h"

namespace imgrec::training {

void Committee::add(InceptionNet net) {
  net->eval();
  nets_.push_back(std::move(net));
}

void Committee::round_to_bytes() {
  const torch::NoGradGuard no_grad;
  bytes_ = true;
  for (InceptionNet& net : nets_) {
    net = copy_of(net);
    net->eval();
    for (torch::Tensor& each : net->parameters()) {
      if (each.dim() > 1) each.copy_(ByteWeights(each).value());
    }
  }
}

torch::Tensor Committee::logits(const torch::Tensor& pictures) {
  const torch::NoGradGuard no_grad;
  torch::Tensor sum;
  const auto ask = [&](InceptionNet& net, const torch::Tensor& batch) {
    const torch::Tensor answer = net->forward(batch);
    sum = sum.defined() ? sum + answer : answer;
  };
  const torch::Tensor mirrored = mirror_ ? torch::flip(pictures, {3}) : torch::Tensor();
  for (InceptionNet& net : nets_) {
    ask(net, pictures);
    if (mirror_) ask(net, mirrored);
  }
  return sum / static_cast<double>(nets_.size() * (mirror_ ? 2 : 1));
}

ModuleSource Committee::source(double temperature) const {
  return module_source(nets_, {.temperature = temperature, .mirror = mirror_, .bytes = bytes_});
}

}  // namespace imgrec::training
