// The importer's self-check: a new model folder against OpenCV's DNN module on the Caffe files it
// was made from. OpenCV reads them with a reader of its own, so an error in ours shows.
//
// Thread rule: one thread at a time.
// Owns: nothing.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "proto/status.h"
#include "worker/core/engine.h"
#include "worker/inference/model_folder.h"

namespace imgrec::models {

inline constexpr float kMaxDifference = 1e-3F;  // of any class's probability

struct Comparison {
  unsigned generated = 0;     // pictures made up for the check
  unsigned photos = 0;        // pictures from --photos
  unsigned undecodable = 0;   // files in there that are no pictures; not compared
  float max_difference = 0;   // over all classes and pictures
  std::string worst_picture;  // where that was
};

// Classifies generated pictures both ways, decoding, resizing and the network included, and those
// in `photos` (empty: none) from the worker's own input, as it shrinks large photos better. A
// failure names the first picture with another best class, or a difference of kMaxDifference or
// more.
Result<Comparison> compare_with_opencv(worker::Engine& engine, const worker::ModelSpec& spec,
                                       const std::filesystem::path& prototxt,
                                       const std::filesystem::path& caffemodel,
                                       const std::filesystem::path& photos);

}  // namespace imgrec::models
