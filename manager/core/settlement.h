// What goes to the storage about models and results: plain values, so that the core can decide on
// them without knowing how they are stored.
//
// Thread rule: plain values. Owns its strings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "manager/core/image_record.h"
#include "proto/ids.h"
#include "proto/messages.h"

namespace imgrec::manager {

// A model that has answered: labels are stored once, results point into them.
struct ModelInfo {
  std::string digest;
  std::string name;
  std::vector<std::string> labels;
  float unsure_below = 0;
};

// The end of one open image: its result, or why there is none.
struct Settlement {
  JobId job;
  bool done = false;
  std::string model_digest;             // done: a model that was registered before
  std::vector<proto::ScoredClass> top;  // done: best first
  std::optional<ImageError> error;      // failed
  std::string worker;
  std::uint32_t attempts = 0;
  ImageTiming timing;  // upload and total are filled in by the storage
};

}  // namespace imgrec::manager
