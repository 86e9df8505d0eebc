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
//
// `mirror`: of the mean of the logits of a picture and its mirror image. Height and width must be
// multiples of 8, as everywhere in this network: nothing in it but the kernels knows left from
// right then, so the mirror image is not made: the same picture goes through mirrored kernels, and
// the sums over all places are equal. The kernels are stored once; whoever freezes the module
// computes the mirrored ones then.
ModuleSource module_source(const InceptionNet& net, double temperature, bool mirror);

}  // namespace imgrec::training
