#include "worker/inference/compiled_network.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

#include "worker/graph/batch_cut.h"
#include "worker/inference/onednn_plan.h"
#include "worker/inference/plan_workspace.h"

namespace imgrec::worker {
namespace {

// How pictures are computed together: one by one up to the cut, then all at once.
struct Together {
  unsigned pictures = 0;
  CutPoint cut;           // of the plan for one
  std::size_t bytes = 0;  // of the cut's buffer, for one picture
  double gain = 0;        // as measured
  OneDnnPlan rest;        // of the plan for all, from the cut on
};

// Memory of one run.
struct Workspace {
  explicit Workspace(const OneDnnPlan& plan) : one(plan) {}
  PlanWorkspace one;
  std::optional<PlanWorkspace> rest;  // made when there is a batch for the first time
};

// Less is not worth that the first picture waits for the last.
constexpr double kLeastGain = 1.015;
constexpr int kMeasuredRuns = 6;

// Where a picture's part of the buffer is one piece, and all of it as in the plan for one.
bool divides(const OneDnnPlan& one, const OneDnnPlan& all, unsigned pictures, std::size_t buffer) {
  const dnnl::memory::desc& single = one.buffers[buffer].desc;
  auto dims = single.dims();
  dims[0] = pictures;
  const dnnl::memory::desc whole(dims, single.data_type(), dnnl::memory::format_tag::nhwc);
  dims[0] = 1;
  const dnnl::memory::desc part(dims, single.data_type(), dnnl::memory::format_tag::nhwc);
  return all.buffers[buffer].desc == whole && single == part;
}

std::vector<CutPoint> places_to_cut(const OneDnnPlan& one, const OneDnnPlan& all,
                                    unsigned pictures) {
  const bool alike =
      one.steps.size() == all.steps.size() && one.buffers.size() == all.buffers.size();
  if (!alike) return {};
  std::vector<CutPoint> points = cut_points(one.lives, one.steps.size());
  std::erase_if(points, [&](const CutPoint& point) {
    return point.buffer == one.input || !divides(one, all, pictures, point.buffer);
  });
  return points;
}

// Seconds of each step: the least of some runs, as noise only adds. They take turns, so that what
// else the machine does falls on both.
struct StepSeconds {
  std::vector<double> one, together;  // for each picture
};
StepSeconds measure(const OneDnnPlan& one, const OneDnnPlan& all, unsigned pictures) {
  using Clock = std::chrono::steady_clock;
  struct Measured {
    Measured(const OneDnnPlan& of, unsigned count, std::size_t values)
        : plan(of), pictures(count), input(values, 1.0F), workspace(of) {
      workspace.read_input_from(input.data());
    }
    void run() {
      for (std::size_t step = 0; step < plan.steps.size(); ++step) {
        const auto start = Clock::now();
        workspace.run(step, step + 1);
        const std::chrono::duration<double> spent = Clock::now() - start;
        seconds[step] = std::min(seconds[step], spent.count() / pictures);
      }
    }
    const OneDnnPlan& plan;
    const unsigned pictures;
    const std::vector<float> input;
    PlanWorkspace workspace;
    std::vector<double> seconds = std::vector<double>(plan.steps.size(), 1e9);
  };
  const auto values = [](const OneDnnPlan& plan) {
    return plan.buffers[plan.input].desc.get_size() / sizeof(float);
  };
  Measured single(one, 1, values(one)), batch(all, pictures, values(all));
  for (int i = 0; i < kMeasuredRuns; ++i) {
    single.run();
    batch.run();
  }
  return {single.seconds, batch.seconds};
}

// kUnsupported: not to be had, or not faster, and why.
Result<Together> plan_together(const Graph& graph, const Formats& formats, const OneDnnPlan& one,
                               const CompiledNetwork::Options& options) try {
  const auto unsupported = [](std::string why) {
    return Status(StatusCode::kUnsupported, std::move(why));
  };
  OneDnnPlan all = plan_graph(graph, formats, {options.batch, false, &one});
  const auto points = places_to_cut(one, all, options.batch);
  if (points.empty()) return unsupported("the network has no place where pictures could meet");
  const StepSeconds seconds = measure(one, all, options.batch);
  const auto best = best_cut(points, seconds.one, seconds.together);
  if (options.only_if_faster && best->gain < kLeastGain) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "measured at %.2f times the images of one by one",
                  best->gain);
    return unsupported(text.data());
  }
  return Together{options.batch, best->at, one.buffers[best->at.buffer].desc.get_size(), best->gain,
                  from_cut(std::move(all), best->at)};
} catch (const std::exception& error) {
  return Status(StatusCode::kUnsupported, error.what());
}

}  // namespace

CpuArithmetic detect_cpu_arithmetic() {
  // gcc's names; __builtin_cpu_supports looks at what the system saves of the registers, too.
  return {__builtin_cpu_supports("avx512bf16") != 0, __builtin_cpu_supports("avx512vnni") != 0};
}

struct CompiledNetwork::Impl {
  OneDnnPlan plan;
  std::optional<Together> together;
  Batching batching{1, 0, "not asked for"};
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

  Status check(const std::vector<float>& input) const {
    if (input.size() == input_values) return {};
    return {StatusCode::kInternal, "the network's input has " + std::to_string(input.size()) +
                                       " values, not " + std::to_string(input_values)};
  }

  void run_one(Workspace& workspace, const std::vector<float>& input) const {
    workspace.one.read_input_from(input.data());
    workspace.one.run();
  }

  // REQUIRES: together, and as many inputs.
  void run_together(Workspace& workspace, std::span<const std::vector<float>* const> inputs) const {
    if (!workspace.rest) workspace.rest.emplace(together->rest);
    std::byte* place = workspace.rest->place(together->rest.input);
    for (const std::vector<float>* input : inputs) {
      workspace.one.read_input_from(input->data());
      workspace.one.move(together->cut.buffer, place);
      workspace.one.run(0, together->cut.step);
      place += together->bytes;
    }
    workspace.one.move(together->cut.buffer, nullptr);
    workspace.rest->run();
  }
};

CompiledNetwork::CompiledNetwork(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CompiledNetwork::~CompiledNetwork() = default;

Result<std::unique_ptr<CompiledNetwork>> CompiledNetwork::compile(const Graph& graph,
                                                                  const Formats& formats,
                                                                  Options options) {
  try {
    auto impl = std::make_unique<Impl>();
    impl->plan = plan_graph(graph, formats, {1, options.keep_tensors});
    impl->input_values = static_cast<std::size_t>(graph.shape(graph.input).values());
    if (options.batch > 1) {
      auto together = plan_together(graph, formats, impl->plan, options);
      if (together) {
        impl->batching = {options.batch, together->gain, {}};
        impl->together = std::move(together).value();
      } else {
        impl->batching.reason = together.status().message();
      }
    }
    return std::unique_ptr<CompiledNetwork>(new CompiledNetwork(std::move(impl)));
  } catch (const std::exception& error) {  // dnnl::error is one
    return Status(StatusCode::kUnsupported, error.what());
  }
}

const Batching& CompiledNetwork::batching() const { return impl_->batching; }

void CompiledNetwork::give_up_batches(std::string reason) {
  impl_->idle.clear();
  impl_->together.reset();
  impl_->batching = {1, 0, std::move(reason)};
}

Result<std::vector<std::vector<float>>> CompiledNetwork::run(
    std::span<const std::vector<float>* const> inputs) const {
  for (const std::vector<float>* input : inputs) {
    if (Status status = impl_->check(*input); !status.ok()) return status;
  }
  std::vector<std::vector<float>> results;
  const auto add = [&](const dnnl::memory& output, std::size_t count) {
    const auto* scores = static_cast<const float*>(output.get_data_handle());
    const std::size_t classes = output.get_desc().get_size() / sizeof(float) / count;
    for (std::size_t i = 0; i < count; ++i) {
      results.emplace_back(scores + i * classes, scores + (i + 1) * classes);
    }
  };
  try {
    auto workspace = impl_->take();
    while (impl_->together && inputs.size() >= impl_->together->pictures) {
      const Together& together = *impl_->together;
      impl_->run_together(*workspace, inputs.first(together.pictures));
      add(workspace->rest->buffer(together.rest.output), together.pictures);
      inputs = inputs.subspan(together.pictures);
    }
    for (const std::vector<float>* input : inputs) {
      impl_->run_one(*workspace, *input);
      add(workspace->one.buffer(impl_->plan.output), 1);
    }
    impl_->give_back(std::move(workspace));
    return results;
  } catch (const std::exception& error) {
    return Status(StatusCode::kInternal, std::string("oneDNN: ") + error.what());
  }
}

Result<std::vector<float>> CompiledNetwork::run(const std::vector<float>& input) const {
  const std::vector<float>* const one = &input;
  auto results = run(std::span(&one, 1));
  if (!results) return results.status();
  return std::move(results->front());
}

Status CompiledNetwork::observe(const std::vector<float>& input, const Observer& observer) const {
  if (Status status = impl_->check(input); !status.ok()) return status;
  try {
    auto workspace = impl_->take();
    impl_->run_one(*workspace, input);
    for (std::size_t i = 0; i < impl_->plan.buffers.size(); ++i) {
      if (i == impl_->plan.input) continue;
      const dnnl::memory& buffer = workspace->one.buffer(i);
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
