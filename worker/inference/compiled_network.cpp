#include "worker/inference/compiled_network.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <utility>

#include "worker/inference/onednn_plan.h"

namespace imgrec::worker {
namespace {

struct FreeAligned {
  void operator()(void* memory) const { std::free(memory); }
};
using Arena = std::unique_ptr<void, FreeAligned>;

Arena allocate(std::size_t bytes) {
  const std::size_t whole = (bytes / kArenaAlignment + 1) * kArenaAlignment;
  void* memory = std::aligned_alloc(kArenaAlignment, whole);
  if (memory == nullptr) throw std::bad_alloc();
  return Arena(memory);
}

// The buffers of one run, and each step's arguments among them.
struct Workspace {
  explicit Workspace(const OneDnnPlan& plan)
      : stream(plan.engine),
        arena(allocate(plan.arena.bytes)),
        scratch(allocate(plan.scratch_bytes)) {
    for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
      auto* place = static_cast<std::byte*>(arena.get()) + plan.arena.offsets[i];
      buffers.emplace_back(plan.buffers[i].desc, plan.engine, i == plan.input ? nullptr : place);
    }
    for (const PlanStep& step : plan.steps) {
      StepArguments list;
      for (const PlanArgument& argument : step.arguments) {
        list.emplace(argument.role,
                     argument.constant ? plan.constants[argument.index] : buffers[argument.index]);
      }
      if (step.scratch.get_size() > 0) {
        list.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(step.scratch, plan.engine, scratch.get()));
      }
      arguments.push_back(std::move(list));
    }
  }

  dnnl::stream stream;
  Arena arena;
  Arena scratch;
  std::vector<dnnl::memory> buffers;
  std::vector<StepArguments> arguments;  // by step
};

}  // namespace

CpuArithmetic detect_cpu_arithmetic() {
  // gcc's names; __builtin_cpu_supports looks at what the system saves of the registers, too.
  return {__builtin_cpu_supports("avx512bf16") != 0, __builtin_cpu_supports("avx512vnni") != 0};
}

struct CompiledNetwork::Impl {
  OneDnnPlan plan;
  std::size_t input_values = 0;
  std::mutex mutex;
  std::vector<std::unique_ptr<Workspace>> idle;  // guarded by mutex

  std::unique_ptr<Workspace> take() {
    {
      const std::scoped_lock lock(mutex);
      if (!idle.empty()) {
        auto workspace = std::move(idle.back());
        idle.pop_back();
        return workspace;
      }
    }
    return std::make_unique<Workspace>(plan);
  }

  void give_back(std::unique_ptr<Workspace> workspace) {
    const std::scoped_lock lock(mutex);
    idle.push_back(std::move(workspace));
  }

  // oneDNN writes to no input.
  void execute(Workspace& workspace, const std::vector<float>& input) const {
    workspace.buffers[plan.input].set_data_handle(const_cast<float*>(input.data()));
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      plan.steps[i].run(workspace.stream, workspace.arguments[i]);
    }
    workspace.stream.wait();
  }
};

CompiledNetwork::CompiledNetwork(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CompiledNetwork::~CompiledNetwork() = default;

Result<std::unique_ptr<CompiledNetwork>> CompiledNetwork::compile(const Graph& graph,
                                                                  const Formats& formats,
                                                                  Options options) {
  try {
    auto impl = std::make_unique<Impl>();
    impl->plan = plan_graph(graph, formats, {options.batch, options.keep_tensors});
    impl->input_values =
        options.batch * static_cast<std::size_t>(graph.shape(graph.input).values());
    return std::unique_ptr<CompiledNetwork>(new CompiledNetwork(std::move(impl)));
  } catch (const std::exception& error) {  // dnnl::error is one
    return Status(StatusCode::kUnsupported, error.what());
  }
}

Result<std::vector<float>> CompiledNetwork::run(const std::vector<float>& input) const {
  if (input.size() != impl_->input_values) {
    return Status(StatusCode::kInternal, "the network's input has " + std::to_string(input.size()) +
                                             " values, not " + std::to_string(impl_->input_values));
  }
  try {
    auto workspace = impl_->take();
    impl_->execute(*workspace, input);
    const dnnl::memory& output = workspace->buffers[impl_->plan.output];
    const auto* scores = static_cast<const float*>(output.get_data_handle());
    std::vector<float> result(scores, scores + output.get_desc().get_size() / sizeof(float));
    impl_->give_back(std::move(workspace));
    return result;
  } catch (const std::exception& error) {
    return Status(StatusCode::kInternal, std::string("oneDNN: ") + error.what());
  }
}

Status CompiledNetwork::observe(const std::vector<float>& input, const Observer& observer) const {
  if (input.size() != impl_->input_values) {
    return {StatusCode::kInternal, "the network's input has another size"};
  }
  try {
    auto workspace = impl_->take();
    impl_->execute(*workspace, input);
    for (std::size_t i = 0; i < workspace->buffers.size(); ++i) {
      if (i == impl_->plan.input) continue;
      const dnnl::memory& buffer = workspace->buffers[i];
      observer(impl_->plan.buffers[i].tensor, static_cast<const float*>(buffer.get_data_handle()),
               buffer.get_desc().get_size() / sizeof(float));
    }
    impl_->give_back(std::move(workspace));
    return {};
  } catch (const std::exception& error) {
    return {StatusCode::kInternal, std::string("oneDNN: ") + error.what()};
  }
}

std::size_t CompiledNetwork::buffer_bytes() const {
  return impl_->plan.arena.bytes + impl_->plan.scratch_bytes;
}

std::vector<std::string> CompiledNetwork::steps() const {
  std::vector<std::string> lines;
  for (const PlanStep& step : impl_->plan.steps) lines.push_back(step.what);
  return lines;
}

}  // namespace imgrec::worker
