// The memory that one run of a plan works in, and each step's arguments in it.
//
// Thread rule: one run at a time. Owns: its memory. Borrows the plan, which outlives it and does
// not change meanwhile. Inner header of this directory: it brings oneDNN in.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

#include "worker/inference/onednn_plan.h"

namespace imgrec::worker {

class PlanWorkspace {
 public:
  explicit PlanWorkspace(const OneDnnPlan& plan);

  // Where the plan's input lies; oneDNN writes to no input. REQUIRES: as much memory as it takes.
  void read_input_from(const float* values);

  // Runs the steps from `first` on, up to `end` without it.
  void run(std::size_t first, std::size_t end);
  void run() { run(0, plan_.steps.size()); }

  const dnnl::memory& buffer(std::size_t index) const { return buffers_[index]; }
  std::byte* place(std::size_t buffer) const {
    return static_cast<std::byte*>(buffers_[buffer].get_data_handle());
  }
  // Has a buffer lie elsewhere from now on; null: where it lay at first.
  void move(std::size_t buffer, std::byte* elsewhere);

 private:
  struct FreeAligned {
    void operator()(void* memory) const { std::free(memory); }
  };
  using Memory = std::unique_ptr<void, FreeAligned>;
  static Memory allocate(std::size_t bytes);

  const OneDnnPlan& plan_;
  dnnl::stream stream_;
  Memory arena_;
  Memory scratch_;
  std::vector<dnnl::memory> buffers_;
  std::vector<StepArguments> arguments_;  // by step
};

}  // namespace imgrec::worker
