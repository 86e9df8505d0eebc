// The two Caffe files as protobuf messages, with the old layer form rewritten as the new one.
//
// Thread rule: pure functions over files.
// Owns: nothing.
#pragma once

#include <filesystem>

#include "models/caffe/caffe.pb.h"
#include "proto/status.h"

namespace imgrec::models {

// Text form. Fields that we do not know (fillers, learning rates) are skipped; layers that are only
// for training are left out.
Result<caffe_format::NetParameter> read_prototxt(const std::filesystem::path& file);

// Binary form.
Result<caffe_format::NetParameter> read_caffemodel(const std::filesystem::path& file);

}  // namespace imgrec::models
