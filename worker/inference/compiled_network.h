// A graph compiled to oneDNN and kernels of ours: the fastest way we know to run a classifier on
// one core.
//
// Thread rule: compile() on a thread that is set to compute alone; run() from any such thread, at
// the same time too: each run takes a set of buffers for itself.
// Owns: the weights and as many sets of buffers as runs were ever at work at once.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "proto/status.h"
#include "worker/graph/formats.h"
#include "worker/graph/graph.h"
#include "worker/inference/batching.h"

namespace imgrec::worker {

// What this CPU computes quickly.
struct CpuArithmetic {
  bool bf16 = false;  // AVX512_BF16
  bool int8 = false;  // AVX512_VNNI
};
CpuArithmetic detect_cpu_arithmetic();

class CompiledNetwork {
 public:
  struct Options {
    // Pictures that it may compute together; where only_if_faster, not those of these that are
    // not worth it (why_no_batch()).
    BatchSizes batches;
    bool only_if_faster = true;
    bool keep_tensors = false;  // for observe(), which takes no batches; takes more memory
  };

  // kUnsupported: oneDNN cannot compute one of the nodes at speed on this CPU; the text names it.
  static Result<std::unique_ptr<CompiledNetwork>> compile(const Graph& graph,
                                                          const Formats& formats, Options options);
  ~CompiledNetwork();

  // Some of Options::batches.
  const Batching& batching() const;
  // From now on it computes fewer than so many together, or one by one. Not while others run it.
  void give_up_batches(unsigned pictures, const std::string& why);

  // Each input: channels x height x width floats; gives the classes' scores of each. In the largest
  // batches that there are pictures for, the rest one by one. kInternal: oneDNN failed.
  Result<std::vector<std::vector<float>>> run(
      std::span<const std::vector<float>* const> inputs) const;
  Result<std::vector<float>> run(const std::vector<float>& input) const;

  // Runs, and shows the values of each tensor of the graph in no particular order of its values.
  // REQUIRES: keep_tensors, all formats float.
  using Observer = std::function<void(TensorId, const float* values, std::size_t count)>;
  Status observe(const std::vector<float>& input, const Observer& observer) const;

  // Memory of one set of buffers, in bytes, without those of a batch.
  std::size_t buffer_bytes() const;

  // One line for each step: what it computes, and with which kernel of oneDNN's or ours.
  std::vector<std::string> steps() const;

 private:
  struct Impl;
  explicit CompiledNetwork(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace imgrec::worker
