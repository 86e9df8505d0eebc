// The text of a trained InceptionNet as TorchScript, and its weights with batch normalisation
// folded into them.
//
// Thread rule: one thread at a time. Owns: nothing; the weights are new tensors.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "training/torch/inception_net.h"

namespace imgrec::training {

struct ModuleSource {
  std::string text;
  std::vector<std::pair<std::string, torch::Tensor>> weights;
};

// forward(x: batch x 3 x height x width) -> batch x classes, probabilities.
ModuleSource module_source(const InceptionNet& net, double temperature);

}  // namespace imgrec::training
