// What is to be said of a trained model: how good it is, what its scores mean, what it cannot do.
//
// Thread rule: pure functions. Owns its values.
#pragma once

#include <string>

#include "training/app/train_options.h"
#include "training/core/evaluation.h"
#include "training/core/photos.h"

namespace imgrec::training {

struct Judgement {
  Confusion confusion;       // of the judging pictures
  std::size_t trained = 0;   // pictures learned from
  unsigned epochs = 0;       // times that each of them was
  std::size_t held_out = 0;  // pictures that chose temperature and threshold
  std::size_t judged = 0;    // pictures of the confusion
  bool apart = false;        // were those neither learned from nor chosen by?
  double temperature = 1;
  double error_before = 0;  // of calibration, on the judging pictures
  double error_after = 0;
  Threshold threshold{};  // chosen on those held out
  Threshold kept{};       // what it does on the judging pictures
};

// `sure`: how often (0…1) an answer is to be right that is not called unsure.
Judgement judge(const Answers& held_out, const Answers& judging, bool apart, double sure);

// For the terminal: accuracy, table, calibration.
std::string report(const Photos& photos, const Judgement& judgement);

// For the folder, as Markdown.
std::string model_card(const TrainOptions& options, const Photos& photos,
                       const Judgement& judgement);

}  // namespace imgrec::training
