// What int8 needs to know of a network: how large its values become on real photos.
//
// Thread rule: observe() on a thread that is set to compute alone.
// Owns: the compiled network.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "proto/status.h"
#include "worker/graph/formats.h"
#include "worker/inference/network.h"

namespace imgrec::worker {

class Calibration {
 public:
  // kUnsupported: the network cannot be compiled, so there is no int8 form of it.
  static Result<std::unique_ptr<Calibration>> begin(const ModuleFile& file, NetworkShape shape);
  ~Calibration();

  // Runs the network on one photo's input and takes note of its values.
  Status observe(const std::vector<float>& input);

  // For each tensor that was never negative: the largest of what each photo left after its highest
  // values, one in 10,000, were cut off. Those few would cost all others their digits.
  Ranges ranges() const;

  // How many of the network's convolutions would count in bytes with these ranges.
  struct Coverage {
    std::size_t bytes = 0;
    std::size_t all = 0;
  };
  Coverage coverage() const;

 private:
  struct Impl;
  explicit Calibration(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace imgrec::worker
