// The text half of the TorchScript writer: which lines a network becomes, and which weights they
// name. The other half (torchscript_writer.cpp) makes tensors of them.
//
// Thread rule: pure functions.
// Owns: copies nothing large: a Weight borrows from the network.
#pragma once

#include <string>
#include <vector>

#include "models/caffe/caffe_network.h"

namespace imgrec::models {

struct Weight {
  std::string attribute;             // "conv1_7x7_s2_weight"
  std::vector<std::int64_t> shape;   // row-major
  const std::vector<float>* values;  // in the network, or…
  std::vector<float> own;            // …made by the writer, when `values` is null
};

struct Script {
  std::string source;
  std::vector<Weight> weights;
};

// REQUIRES: `network` came from read_network, and outlives the result.
Script make_script(const Network& network);

}  // namespace imgrec::models
