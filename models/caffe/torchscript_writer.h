// Writes a Caffe network as a TorchScript module: forward(x: Tensor) -> Tensor, x being
// batch x channels x height x width (any batch), the result batch x classes.
//
// Thread rule: any thread.
// Owns: nothing. No Torch type shows here, so that callers compile without its headers.
#pragma once

#include <filesystem>
#include <string>

#include "models/caffe/caffe_network.h"
#include "proto/status.h"

namespace imgrec::models {

// The module's source; its weights are attributes named after their layers.
std::string torchscript_source(const Network& network);

// Writes `file` (model.pt).
Status write_torchscript(const Network& network, const std::filesystem::path& file);

}  // namespace imgrec::models
