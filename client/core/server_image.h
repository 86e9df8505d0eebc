// What the server says of one image, checked and bounded by whoever read it (client/text).
//
// Thread rule: plain values. Own their texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/ids.h"

namespace imgrec::client {

enum class ImageState { kQueued, kAssigned, kDone, kFailed };

struct Prediction {
  std::uint32_t index = 0;
  std::string label;
  double score = 0;  // 0 to 1
};

struct ServerImage {
  ImageId id;
  ImageState state = ImageState::kQueued;
  std::vector<Prediction> top;  // best first
  bool unsure = false;
  std::optional<double> total_ms;  // from the upload to its result
  std::string error_code;          // of kFailed
  std::string error_detail;
  std::string json;                 // the whole IMAGE, in ASCII
  std::size_t classes_in_json = 0;  // how many entries its "top" has

  bool settled() const { return state == ImageState::kDone || state == ImageState::kFailed; }
};

}  // namespace imgrec::client
