// What imgrec-train was told on its command line.
//
// Thread rule: plain value. Owns its texts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "proto/status.h"
#include "training/data/photo_folders.h"
#include "training/torch/trainer.h"

namespace imgrec::training {

struct TrainOptions {
  std::filesystem::path data;  // folders to learn from
  std::filesystem::path test;  // folders to judge by; empty: a part of `data` that is held out
  std::filesystem::path out;   // the model folder
  std::filesystem::path checkpoint;
  std::vector<std::filesystem::path> committee;  // checkpoints of other trainings
  bool force = false;                            // replace `out`
  bool restart = false;                          // forget the checkpoint
  unsigned held_out = 10;                        // percent of each class
  double sure = 0.95;                            // how often a sure answer is to be right
  FolderOptions folders;
  TrainerOptions trainer;
  std::string name;
  std::string source;
  std::string licence;
};

extern const char* const kTrainHelp;

// `words`: the command line without the program's name.
Result<TrainOptions> parse_train_options(const std::vector<std::string>& words);

}  // namespace imgrec::training
