#include "worker/inference/plan_workspace.h"

#include <new>
#include <utility>

namespace imgrec::worker {

PlanWorkspace::Memory PlanWorkspace::allocate(std::size_t bytes) {
  const std::size_t whole = (bytes / kArenaAlignment + 1) * kArenaAlignment;
  void* memory = std::aligned_alloc(kArenaAlignment, whole);
  if (memory == nullptr) throw std::bad_alloc();
  return Memory(memory);
}

PlanWorkspace::PlanWorkspace(const OneDnnPlan& plan)
    : plan_(plan),
      stream_(plan.engine),
      arena_(allocate(plan.arena.bytes)),
      scratch_(allocate(plan.scratch_bytes)) {
  for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
    buffers_.emplace_back(plan.buffers[i].desc, plan.engine, nullptr);
    if (i != plan.input || plan.input_in_arena) move(i, nullptr);
  }
  for (const PlanStep& step : plan.steps) {
    StepArguments list;
    for (const PlanArgument& argument : step.arguments) {
      list.emplace(argument.role,
                   argument.constant ? plan.constants[argument.index] : buffers_[argument.index]);
    }
    if (step.scratch.get_size() > 0) {
      list.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(step.scratch, plan.engine, scratch_.get()));
    }
    arguments_.push_back(std::move(list));
  }
}

void PlanWorkspace::read_input_from(const float* values) {
  buffers_[plan_.input].set_data_handle(const_cast<float*>(values));
}

void PlanWorkspace::run(std::size_t first, std::size_t end) {
  for (std::size_t i = first; i < end; ++i) plan_.steps[i].run(stream_, arguments_[i]);
  stream_.wait();
}

void PlanWorkspace::move(std::size_t buffer, std::byte* elsewhere) {
  std::byte* own = static_cast<std::byte*>(arena_.get()) + plan_.arena.offsets[buffer];
  buffers_[buffer].set_data_handle(elsewhere == nullptr ? own : elsewhere);
}

}  // namespace imgrec::worker
