// What a checkpoint's file says of the training that it is of.
//
// Thread rule: functions of their arguments. Owns: nothing.
#pragma once

#include <optional>

#include <torch/serialize/archive.h>

#include "training/core/provenance.h"

namespace imgrec::training {

void write(const Provenance& provenance, torch::serialize::OutputArchive& archive);

// Nothing: the file is no checkpoint, or one of an earlier imgrec-train, which did not say it.
// Throws what LibTorch throws.
std::optional<Provenance> read_provenance(torch::serialize::InputArchive& archive);

}  // namespace imgrec::training
