// The networks that are asked in the end, of one training or of several: the mean of their logits
// is right more often than any of them (Hansen and Salamon, "Neural Network Ensembles", 1990;
// Szegedy et al. asked seven GoogLeNets, 2014).
//
// Thread rule: one thread at a time. Owns: its networks, in evaluation mode; those that were added
// are shared, and must not be changed.
#pragma once

#include <vector>

#include "training/torch/inception_net.h"
#include "training/torch/module_source.h"

namespace imgrec::training {

class Committee {
 public:
  // `mirror`: each network looks at each picture and at its mirror image.
  explicit Committee(bool mirror) : mirror_(mirror) {}

  void add(InceptionNet net);

  // Each weight of a convolution or of a last layer becomes a whole number from -127 to 127 times a
  // factor that the weights of one output channel have in common. What was added stays as it is.
  void round_to_bytes();

  // batch x 3 x height x width -> batch x classes. REQUIRES: at least one network.
  torch::Tensor logits(const torch::Tensor& pictures);

  // Of the same logits. Rounded weights take a byte each.
  ModuleSource source(double temperature) const;

 private:
  const bool mirror_;
  bool bytes_ = false;
  std::vector<InceptionNet> nets_;
};

}  // namespace imgrec::training
