// `imgrec-bench inference`: every way of running a model on this machine, side by side.
//
// Thread rule: used from one thread; starts threads of its own and ends them.
// Owns: nothing.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "proto/status.h"

namespace imgrec::bench {

struct InferenceBenchOptions {
  std::filesystem::path model;
  std::filesystem::path photos;
  std::filesystem::path reference;  // may be missing
  std::filesystem::path caffe;      // the model's Caffe files, for OpenCV; empty: without it
  unsigned rounds = 5;
  double seconds = 0.5;  // of each measurement
  unsigned max_threads = 2;
};

// Prints as it goes. Fails where the model or the photos cannot be read.
Status run_inference_bench(const InferenceBenchOptions& options, std::ostream& out);

}  // namespace imgrec::bench
