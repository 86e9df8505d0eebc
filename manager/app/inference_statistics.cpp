#include "manager/app/inference_statistics.h"

#include <algorithm>

namespace imgrec::manager {

void InferenceStatistics::serves(const ModelIdentity& model) {
  if (model.digest == model_.digest) return;
  model_ = model;
  counts_ = {};
}

void InferenceStatistics::settled(const ImageRecord& image) {
  const ImageTiming& timing = image.timing;
  if (image.state == ImageState::kFailed) {
    counts_.fail.add(timing.total);
  } else {
    if (image.model != model_.name) return;  // of the model before
    const auto input = timing.wire + timing.decode;
    const auto known = timing.upload + timing.queue + input + timing.inference;
    counts_.success.add(timing.total);
    counts_.queue.add(timing.queue);
    counts_.input.add(input);
    counts_.infer.add(timing.inference);
    counts_.output.add(std::max(timing.total - known, std::chrono::microseconds(0)));
  }
  counts_.last = std::max(counts_.last, image.created);
}

void InferenceStatistics::removed(const ImageRecord& image, WallTime now) {
  if (is_settled(image.state)) return;
  counts_.fail.add(std::max<std::chrono::nanoseconds>(now - image.created, {}));
  counts_.last = std::max(counts_.last, image.created);
}

}  // namespace imgrec::manager
