// The text of trained InceptionNets as TorchScript, and their weights with batch normalisation
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

struct ModuleOptions {
  double temperature = 1;
  bool mirror = false;
  bool bytes = false;
};

// forward(x: batch x 3 x height x width) -> batch x classes: probabilities, of the mean of the
// logits of all networks. REQUIRES: at least one, all of the same classes.
//
// `bytes`: weights are stored as byte_weights.h has them, and multiplied out by whoever freezes the
// module.
//
// `mirror`: of the mean of the logits of a picture and its mirror image. Height and width must be
// multiples of 8, as everywhere in this network: nothing in it but the kernels knows left from
// right then, so the mirror image is not made: the same picture goes through mirrored kernels, and
// the sums over all places are equal. The kernels are stored once; whoever freezes the module
// computes the mirrored ones then.
ModuleSource module_source(const std::vector<InceptionNet>& nets, const ModuleOptions& options);

}  // namespace imgrec::training
