// A TorchScript classifier that runs: floats in, one score per class out. All of Torch that the
// worker uses is in torch_network.cpp.
//
// Thread rule: run() from any thread that called prepare_thread(), at the same time too.
// Owns: the network's weights.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

#include "proto/status.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::worker {

// REQUIRES: all of them over 0.
struct NetworkShape {
  unsigned width = 0;
  unsigned height = 0;
  unsigned classes = 0;
  std::size_t input_values() const { return std::size_t{3} * width * height; }
};

class TorchNetwork {
 public:
  // Loads module_file and checks on fixed inputs that it takes batches of 1 x 3 x height x width
  // and gives 1 x classes finite scores.
  static Result<std::unique_ptr<TorchNetwork>> load(const std::filesystem::path& module_file,
                                                    NetworkShape shape, bool optimize);
  ~TorchNetwork();

  // Sets this thread to compute alone, then runs the network until it is as fast as it gets.
  Status prepare_thread();

  // Raw scores, as the network gives them.
  // REQUIRES: input.size() == shape.input_values().
  Result<std::vector<float>> run(const std::vector<float>& input) const;

  NetworkForm form() const;

 private:
  struct Impl;
  explicit TorchNetwork(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace imgrec::worker
