#include "tests/simulation/worker_process.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "tests/simulation/sim_shard.h"

namespace imgrec::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

proto::Hello make_hello(const SimWorker& worker, unsigned process) {
  proto::Hello hello;
  // Some are of the release before, which says nothing of batches.
  hello.max_version = worker.number() % 4 == 3 ? 2 : proto::kMaxProtocolVersion;
  hello.name = worker_name(worker.number());
  hello.instance_id = std::to_string(100 * (worker.number() + 1) + process);
  hello.instance_id.insert(0, 32 - hello.instance_id.size(), '0');
  hello.model_name = "simulated";
  hello.model_digest = std::string(64, 'e');
  for (unsigned label = 0; label < kLabels; ++label) hello.labels.push_back("label");
  hello.streams = static_cast<std::uint16_t>(worker.own().streams);
  hello.credit = static_cast<std::uint16_t>(worker.own().credit);
  return hello;
}

worker::WorkerCoreOptions core_options(const WorkerPlan& plan) {
  worker::WorkerCoreOptions options;
  options.credit = plan.credit;
  options.streams = plan.streams;
  options.batches = worker::BatchSizes::up_to(plan.batch);
  options.cached_answers = 32;
  options.max_held_bytes = plan.max_held_bytes;
  return options;
}

}  // namespace

struct WorkerProcess::Picture final : worker::PreparedImage {
  explicit Picture(proto::SharedBytes image_bytes) : bytes(std::move(image_bytes)) {}
  proto::SharedBytes bytes;
};

WorkerProcess::WorkerProcess(SimWorker& worker, unsigned number)
    : worker_(worker),
      world_(worker.world()),
      plan_(worker.own()),
      core_(core_options(plan_)),
      core_alarm_(world_.loop, [this] { when_running([this] { apply(worker::Tick{}); }); }) {
  for (const auto& shard : worker.shards()) {
    links_.push_back(
        std::make_unique<WorkerLink>(*this, worker, *shard, make_hello(worker, number)));
  }
}

void WorkerProcess::start() {
  for (const auto& each : links_) each->connect();
}

void WorkerProcess::kill() {
  ended_ = true;
  core_alarm_.set(std::nullopt);
  for (const auto& each : links_) each->kill();
}

void WorkerProcess::freeze(TimePoint until) {
  frozen_until_ = std::max(frozen_until_, until);
  for (const auto& each : links_) each->stall(until);
}

bool WorkerProcess::frozen() const { return world_.now() < frozen_until_; }

bool WorkerProcess::hung() const {
  if (frozen()) return true;
  const TimePoint limit = world_.now() - worker_.plan().supervisor;
  return std::any_of(inferring_.begin(), inferring_.end(),
                     [&](const auto& each) { return each.second <= limit; });
}

void WorkerProcess::when_running(EventLoop::Callback what) {
  if (ended_) return;
  if (!frozen()) return what();
  world_.loop.at(frozen_until_,
                 [this, what = std::move(what)]() mutable { when_running(std::move(what)); });
}

void WorkerProcess::drain() {
  when_running([this] {
    if (!serving()) return;
    for (const auto& each : links_) {
      if (!each->registered()) each->stop_connecting();
    }
    apply(worker::DrainRequested{kDrainTime, "SIGTERM"});
  });
}

// ---- the core ---------------------------------------------------------------------------------

void WorkerProcess::apply(worker::Event event) {
  for (worker::Action& action : core_.on_event(std::move(event), world_.now())) {
    std::visit([this](auto& a) { carry_out(a); }, action);
    if (ended_) return;
  }
  for (const auto& each : links_) each->set_load(core_.load());
  core_alarm_.set(core_.next_deadline());
}

void WorkerProcess::carry_out(worker::SendOutcome& action) {
  const proto::Outcome& outcome = action.outcome;
  link(action.link).answer(outcome, outcome.job, outcome.attempt);
}

void WorkerProcess::carry_out(worker::SendFail& action) {
  const proto::Fail& fail = action.fail;
  link(action.link).answer(fail, fail.job, fail.attempt);
}

void WorkerProcess::carry_out(worker::SendDrain& action) {
  link(action.link).send_drain(action.drain);
}

void WorkerProcess::carry_out(worker::SendBye& action) {
  if (!serving()) link(action.link).stop_connecting();
  link(action.link).send_bye(action.reason);
}

void WorkerProcess::carry_out(worker::Leave&) { leave(); }

void WorkerProcess::refused_for_good() {
  if (links_.size() == 1) leave();
}

void WorkerProcess::leave() {
  if (ended_) return;
  for (const auto& each : links_) {
    each->stop_connecting();
    each->send_bye("the worker stops");
    if (ended_) return;
  }
  ended_ = true;
  core_alarm_.set(std::nullopt);
  for (const auto& each : links_) each->leave();
  world_.tell({0xE7D, worker_.number()},
              [&] { return worker_name(worker_.number()) + " has left in good order"; });
  worker_.on_exit();
}

// ---- computing --------------------------------------------------------------------------------

void WorkerProcess::carry_out(worker::StartPrepare& action) {
  world_.loop.after(world_.random.about(plan_.decode),
                    [this, work = action.work, image = std::move(action.image)] {
                      when_running([this, work, image] { prepared(work, image); });
                    });
}

void WorkerProcess::prepared(WorkId work, const proto::SharedBytes& image) {
  const auto decode = std::chrono::duration_cast<microseconds>(plan_.decode);
  const auto failed = [&](proto::FailCode code) {
    apply(
        worker::PrepareDone{work, worker::EngineFailure{code, false, "The file is bad."}, decode});
  };
  switch (kind_of(*image)) {
    case ImageKind::kDamaged:
      return failed(proto::FailCode::kDamaged);
    case ImageKind::kNotAnImage:
      return failed(proto::FailCode::kNotAnImage);
    case ImageKind::kGood:
    case ImageKind::kKiller:
    case ImageKind::kHanger:
      break;
  }
  apply(worker::PrepareDone{work, std::make_shared<const Picture>(image), decode});
}

void WorkerProcess::carry_out(worker::StartInfer& action) {
  for (const auto& [work, image] : action.pictures) {
    const ImageKind kind = kind_of(*static_cast<const Picture&>(*image).bytes);
    if (is_poison(kind)) world_.happened(Fault::kPoisonImage);
    inferring_[work] = world_.now();
    if (kind != ImageKind::kHanger) continue;
    world_.tell({0x4A7, worker_.number()}, [&] {
      return "FAULT: the image hangs " + worker_name(worker_.number()) + ": an inference of it";
    });
    return worker_.hangs();
  }
  world_.loop.after(worker_.inference_time(), [this, action = std::move(action)] {
    when_running([this, action] { infer(action); });
  });
}

void WorkerProcess::infer(const worker::StartInfer& action) {
  worker::InferDone done;
  done.inference = std::chrono::duration_cast<microseconds>(plan_.inference);
  for (const auto& [work, image] : action.pictures) {
    const proto::SharedBytes& bytes = static_cast<const Picture&>(*image).bytes;
    if (kind_of(*bytes) == ImageKind::kKiller) return worker_.crash("the image crashes it");
    done.pictures.push_back({work, recognised(bytes)});
    inferring_.erase(work);
  }
  apply(std::move(done));
}

worker::InferResult WorkerProcess::recognised(const proto::SharedBytes& image) {
  if (world_.fault_phase && world_.random.chance(worker_.plan().engine_failure)) {
    world_.happened(Fault::kEngineFailure);
    for (const auto& shard : worker_.shards()) {
      for (auto& [job, truth] : shard->truth().images) {
        if (truth.bytes != nullptr && *truth.bytes == *image) ++truth.engine_failures;
      }
    }
    return worker::EngineFailure{proto::FailCode::kInference, true, "The network failed."};
  }
  const proto::ScoredClass best = recognise(*image);
  return std::vector<proto::ScoredClass>{best, {(best.index + 1) % kLabels, best.score / 4}};
}

}  // namespace imgrec::simulation
