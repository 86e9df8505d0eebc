#include "worker/inference/compiled_network.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

#include "worker/graph/batch_cut.h"
#include "worker/inference/onednn_plan.h"
#include "worker/inference/plan_workspace.h"
#include "worker/inference/thread_time.h"

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
  std::map<unsigned, PlanWorkspace> rests;  // by pictures; made when there are as many at first
};

constexpr int kMeasuredRuns = 5;

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

// A plan, and the seconds of each of its steps for each picture: the least of some runs, as noise
// only adds.
class TimedPlan {
 public:
  TimedPlan(const OneDnnPlan& plan, unsigned pictures)
      : plan_(plan),
        pictures_(pictures),
        input_(plan.buffers[plan.input].desc.get_size() / sizeof(float), 1.0F),
        workspace_(plan),
        seconds_(plan.steps.size(), std::numeric_limits<double>::max()) {
    workspace_.read_input_from(input_.data());
  }

  void run() {
    for (std::size_t step = 0; step < plan_.steps.size(); ++step) {
      const double start = thread_seconds();
      workspace_.run(step, step + 1);
      seconds_[step] = std::min(seconds_[step], (thread_seconds() - start) / pictures_);
    }
  }

  const std::vector<double>& seconds() const { return seconds_; }

 private:
  const OneDnnPlan& plan_;
  const unsigned pictures_;
  const std::vector<float> input_;
  PlanWorkspace workspace_;
  std::vector<double> seconds_;
};

// A batch that could be.
struct Candidate {
  unsigned pictures = 0;
  OneDnnPlan all;
  std::vector<CutPoint> points;  // one at least
};

// The batches that are to be had, as far as they are worth it, and why not the others.
class BatchChoice {
 public:
  BatchChoice(const OneDnnPlan& one, bool only_if_faster)
      : one_(one), only_if_faster_(only_if_faster) {}

  void consider(unsigned pictures, const Graph& graph, const Formats& formats) try {
    OneDnnPlan all = plan_graph(graph, formats, {pictures, false, &one_});
    auto points = places_to_cut(one_, all, pictures);
    if (points.empty()) return explain("the network has no place where pictures could meet");
    candidates_.push_back({pictures, std::move(all), std::move(points)});
  } catch (const std::exception& error) {
    explain(error.what());
  }

  // Those that are worth it.
  std::vector<Together> choose() try {
    if (candidates_.empty()) return {};
    const std::vector<BatchCut> cuts = measure();
    std::vector<Together> chosen;
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      auto& [pictures, all, points] = candidates_[i];
      const BatchCut& best = cuts[i];
      const double smaller_gain = chosen.empty() ? 0 : chosen.back().gain;
      std::string why_not = why_no_batch(pictures, best, smaller_gain);
      if (only_if_faster_ && !why_not.empty()) {
        explain(why_not);
        continue;
      }
      chosen.push_back({pictures, best.at, one_.buffers[best.at.buffer].desc.get_size(), best.gain,
                        from_cut(std::move(all), best.at)});
    }
    return chosen;
  } catch (const std::exception& error) {
    explain(error.what());
    return {};
  }

  const std::string& why_no_more() const { return why_no_more_; }

 private:
  // The best cut of each candidate. They run in turns, so that what else the machine does falls on
  // all of them.
  std::vector<BatchCut> measure() const {
    TimedPlan alone(one_, 1);
    std::vector<std::unique_ptr<TimedPlan>> timed;
    for (const Candidate& each : candidates_) {
      timed.push_back(std::make_unique<TimedPlan>(each.all, each.pictures));
    }
    for (int i = 0; i < kMeasuredRuns; ++i) {
      alone.run();
      for (const auto& each : timed) each->run();
    }
    std::vector<BatchCut> cuts;
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      cuts.push_back(*best_cut(candidates_[i].points, alone.seconds(), timed[i]->seconds()));
    }
    return cuts;
  }

  void explain(const std::string& why) {
    if (why_no_more_.find(why) != std::string::npos) return;
    if (!why_no_more_.empty()) why_no_more_ += "; ";
    why_no_more_ += why;
  }

  const OneDnnPlan& one_;
  const bool only_if_faster_;
  std::vector<Candidate> candidates_;  // ascending
  std::string why_no_more_;
};

}  // namespace

CpuArithmetic detect_cpu_arithmetic() {
  // gcc's names; __builtin_cpu_supports looks at what the system saves of the registers, too.
  return {__builtin_cpu_supports("avx512bf16") != 0, __builtin_cpu_supports("avx512vnni") != 0};
}

struct CompiledNetwork::Impl {
  OneDnnPlan plan;
  std::map<unsigned, Together> batches;  // by pictures; those of `batching`
  Batching batching{{}, "not asked for"};
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

  // Gives the batch's scores. REQUIRES: as many inputs as `together` has pictures.
  const dnnl::memory& run_together(const Together& together, Workspace& workspace,
                                   std::span<const std::vector<float>* const> inputs) const {
    PlanWorkspace& rest =
        workspace.rests.try_emplace(together.pictures, together.rest).first->second;
    std::byte* place = rest.place(together.rest.input);
    for (const std::vector<float>* input : inputs) {
      workspace.one.read_input_from(input->data());
      workspace.one.move(together.cut.buffer, place);
      workspace.one.run(0, together.cut.step);
      place += together.bytes;
    }
    workspace.one.move(together.cut.buffer, nullptr);
    rest.run();
    return rest.buffer(together.rest.output);
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
    if (!options.batches.none()) {
      BatchChoice choice(impl->plan, options.only_if_faster);
      for (const unsigned pictures : options.batches.sizes()) {
        choice.consider(pictures, graph, formats);
      }
      for (Together& each : choice.choose()) {
        impl->batching.batches.push_back({each.pictures, each.gain});
        impl->batches.emplace(each.pictures, std::move(each));
      }
      impl->batching.why_no_more = choice.why_no_more();
    }
    return std::unique_ptr<CompiledNetwork>(new CompiledNetwork(std::move(impl)));
  } catch (const std::exception& error) {  // dnnl::error is one
    return Status(StatusCode::kUnsupported, error.what());
  }
}

const Batching& CompiledNetwork::batching() const { return impl_->batching; }

void CompiledNetwork::give_up_batches(unsigned pictures, const std::string& why) {
  impl_->idle.clear();
  impl_->batches.erase(impl_->batches.lower_bound(pictures), impl_->batches.end());
  std::erase_if(impl_->batching.batches,
                [&](const Batching::Batch& each) { return each.pictures >= pictures; });
  impl_->batching.why_no_more = why;
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
    const BatchSizes sizes = impl_->batching.sizes();
    while (!inputs.empty()) {
      const unsigned count = sizes.filled_by(inputs.size());
      if (count == 1) {
        impl_->run_one(*workspace, *inputs.front());
        add(workspace->one.buffer(impl_->plan.output), 1);
      } else {
        const Together& together = impl_->batches.at(count);
        add(impl_->run_together(together, *workspace, inputs.first(count)), count);
      }
      inputs = inputs.subspan(count);
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
