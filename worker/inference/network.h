// A classifier that runs: floats in, one score per class out.
//
// Thread rule: run() from any thread that called prepare_thread(), at the same time too.
// Owns: the network's weights.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "proto/status.h"
#include "worker/graph/formats.h"
#include "worker/inference/batching.h"
#include "worker/inference/module_file.h"

namespace imgrec::worker {

// REQUIRES: all of them over 0.
struct NetworkShape {
  unsigned width = 0;
  unsigned height = 0;
  unsigned classes = 0;
  std::size_t input_values() const { return std::size_t{3} * width * height; }
};

// How a model's network is run, from the slowest to the fastest: by LibTorch as it was saved,
// frozen, and rewritten by LibTorch; and compiled to oneDNN by us.
enum class NetworkForm { kAsSaved, kFrozen, kOptimized, kCompiled };
std::string_view to_string(NetworkForm form);

class Network {
 public:
  virtual ~Network() = default;

  // Sets this thread to compute alone, then runs the network until it is as fast as it gets.
  virtual Status prepare_thread() = 0;

  // Raw scores, as the network gives them.
  // REQUIRES: input.size() == shape.input_values().
  virtual Result<std::vector<float>> run(const std::vector<float>& input) const = 0;

  // How many inputs it computes in less time together than one by one.
  virtual Batching batching() const {
    return {{}, "LibTorch runs it, and only compiled networks compute pictures together"};
  }
  // The scores of each. REQUIRES: one input at least.
  virtual Result<std::vector<std::vector<float>>> run_together(
      std::span<const std::vector<float>* const> inputs) const;
};

struct NetworkOptions {
  std::optional<NetworkForm> form =
      std::nullopt;  // empty: the fastest that gives the scores of the saved one
  Precision precision = Precision::kFp32;  // others: of kCompiled only
  Ranges ranges = {};                      // for kInt8
  // Inputs computed together at most, by the compiled form alone. 0: up to kMeasuredBatch, as far
  // as that is measured to be faster.
  unsigned batch = 1;
};

struct LoadedNetwork {
  std::unique_ptr<Network> network;
  NetworkForm form = NetworkForm::kAsSaved;
};

// Loads the module, checks on the probes that it takes 1 x 3 x height x width and gives 1 x classes
// finite scores, and takes the form that `options` says. A form is taken only where its fp32 scores
// are those of the module as saved: see same_scores().
// `probes`: inputs as real pictures give them (probe_inputs()). REQUIRES: one at least.
// kUnsupported: the form or precision asked for cannot be had of this module on this CPU.
Result<LoadedNetwork> load_network(const ModuleFile& module, NetworkShape shape,
                                   const std::vector<std::vector<float>>& probes,
                                   const NetworkOptions& options);

// Whether two lists of scores differ by rounding only: by 0.1 % of the largest one at most. Where
// they are probabilities their logarithms are compared as well, by 0.1 % of the widest difference
// between two of them: a softmax that is sure of one class hides what the network gave for all
// others.
bool same_scores(const std::vector<float>& expected, const std::vector<float>& actual);

}  // namespace imgrec::worker
