#include "tests/simulation/worker_process.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace imgrec::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr worker::LinkId kLink{1};
constexpr milliseconds kWriteTimeout{3'000};
constexpr milliseconds kRefusedRetry{1'000};
constexpr std::size_t kMaxQueuedFrames = 8192;

proto::Hello make_hello(const SimWorker& worker, unsigned process) {
  proto::Hello hello;
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
  options.decode_ahead = plan.streams;
  options.cached_answers = 32;
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
      hello_(make_hello(worker, number)),
      core_(core_options(plan_)),
      backoff_({milliseconds(50), milliseconds(1'000), milliseconds(1'000)},
               [this] { return world_.random.unit(); }),
      core_alarm_(world_.loop, [this] { when_running([this] { apply(worker::Tick{}); }); }),
      link_alarm_(world_.loop, [this] { when_running([this] { on_link_alarm(); }); }) {
  if (!plan_.lies.empty()) liar_.emplace(world_, worker.truth(), plan_, worker.number());
}

void WorkerProcess::start() { connect(); }

void WorkerProcess::kill() {
  ended_ = true;
  core_alarm_.set(std::nullopt);
  link_alarm_.set(std::nullopt);
  if (!session_) return;
  connection_->to_worker.set_reader(nullptr);
  connection_->to_manager.break_off();
}

void WorkerProcess::freeze(TimePoint until) {
  frozen_until_ = std::max(frozen_until_, until);
  if (session_) connection_->to_worker.stall(until);
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
    if (core_.state() != worker::WorkerState::kServing) return;
    if (!registered_) stopping_ = true;
    apply(worker::DrainRequested{kDrainTime, "SIGTERM"});
  });
}

// ---- the core ---------------------------------------------------------------------------------

void WorkerProcess::apply(worker::Event event) {
  for (worker::Action& action : core_.on_event(std::move(event), world_.now())) {
    std::visit([this](auto& a) { carry_out(a); }, action);
    if (ended_) return;
  }
  if (session_) session_->set_load(core_.load());
  core_alarm_.set(core_.next_deadline());
}

void WorkerProcess::carry_out(worker::SendOutcome& action) {
  check_answer(action.outcome.job, action.outcome.attempt);
  say(std::move(action.outcome));
}

void WorkerProcess::carry_out(worker::SendFail& action) {
  check_answer(action.fail.job, action.fail.attempt);
  say(std::move(action.fail));
}

// The core answers what was asked on this very connection, and each ASSIGN once at most.
void WorkerProcess::check_answer(JobId job, std::uint32_t attempt) {
  const auto asked = asked_.find({job, attempt});
  if (asked == asked_.end() || asked->second == 0) {
    return world_.violate(worker_name(worker_.number()) + "'s core answers job " +
                          std::to_string(job.value) + " attempt " + std::to_string(attempt) +
                          ", which was not asked on this connection, or was answered or cancelled");
  }
  --asked->second;
}

void WorkerProcess::say(proto::Message answer) {
  if (!registered_ || !session_) return;
  std::vector<proto::Message> said;
  if (liar_) {
    said = liar_->twist(std::move(answer));
  } else {
    said.push_back(std::move(answer));
  }
  for (const proto::Message& message : said) {
    if (const auto* outcome = std::get_if<proto::Outcome>(&message)) {
      session_->send_outcome(*outcome);
    } else {
      session_->send_fail(std::get<proto::Fail>(message));
    }
  }
  pump();
}

void WorkerProcess::carry_out(worker::SendDrain& action) {
  if (!session_) return;
  session_->send_drain(action.drain);
  pump();
}

void WorkerProcess::carry_out(worker::SendBye& action) {
  if (core_.state() != worker::WorkerState::kServing) stopping_ = true;
  if (!session_ || session_over()) return;
  session_->send_bye(action.reason);
  pump();
}

void WorkerProcess::carry_out(worker::Leave&) { leave(); }

void WorkerProcess::leave() {
  if (ended_) return;
  stopping_ = true;
  if (session_ && !session_over()) {
    session_->send_bye("the worker stops");
    pump();
  }
  if (ended_) return;
  ended_ = true;
  core_alarm_.set(std::nullopt);
  link_alarm_.set(std::nullopt);
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
  const proto::SharedBytes image = static_cast<const Picture&>(*action.image).bytes;
  inferring_[action.work] = world_.now();
  const ImageKind kind = kind_of(*image);
  if (is_poison(kind)) world_.happened(Fault::kPoisonImage);
  if (kind == ImageKind::kHanger) {
    world_.tell({0x4A7, worker_.number()}, [&] {
      return "FAULT: the image hangs " + worker_name(worker_.number()) + ": an inference of it";
    });
    return worker_.hangs();
  }
  world_.loop.after(worker_.inference_time(), [this, work = action.work, image] {
    when_running([this, work, image] { infer(work, image); });
  });
}

void WorkerProcess::infer(WorkId work, const proto::SharedBytes& image) {
  if (kind_of(*image) == ImageKind::kKiller) return worker_.crash("the image crashes it");
  inferring_.erase(work);
  const auto inference = std::chrono::duration_cast<microseconds>(plan_.inference);
  if (world_.fault_phase && world_.random.chance(worker_.plan().engine_failure)) {
    world_.happened(Fault::kEngineFailure);
    for (auto& [job, truth] : worker_.truth().images) {
      if (truth.bytes == image || *truth.bytes == *image) ++truth.engine_failures;
    }
    apply(worker::InferDone{
        work, worker::EngineFailure{proto::FailCode::kInference, true, "The network failed."},
        inference});
    return;
  }
  const proto::ScoredClass best = recognise(*image);
  std::vector<proto::ScoredClass> top{best, {(best.index + 1) % kLabels, best.score / 4}};
  apply(worker::InferDone{work, std::move(top), inference});
}

// ---- the link ---------------------------------------------------------------------------------

void WorkerProcess::connect() {
  worker_.network().connect(worker_.cable(), [this](Connection* connection) {
    if (ended_) {
      if (connection != nullptr) connection->to_manager.break_off();
      return;
    }
    when_running([this, connection] { connected(connection); });
  });
}

void WorkerProcess::connected(Connection* connection) {
  if (connection == nullptr || stopping_) {
    if (connection != nullptr) connection->to_manager.break_off();
    return reconnect_later();
  }
  connection_ = connection;
  connection_->to_worker.set_reader(this);
  refusal_.reset();
  asked_.clear();
  session_.emplace(worker_.plan().worker_session, hello_, world_.now());
  session_->set_load(core_.load());
  pump();
}

void WorkerProcess::on_bytes(std::string_view bytes) {
  if (!session_) return;
  session_->feed(bytes, world_.now());
  pump();
}

void WorkerProcess::on_end(std::string_view why) {
  if (!session_) return;
  session_->on_disconnect(why);
  pump();
}

bool WorkerProcess::session_over() const {
  return !session_ || session_->state() == proto::SessionState::kClosed;
}

void WorkerProcess::pump() {
  if (pumping_ || ended_ || !session_) return;
  pumping_ = true;
  for (;;) {
    auto messages = session_->take_messages();
    if (messages.empty()) break;
    for (proto::Message& message : messages) {
      handle(std::move(message));
      if (ended_) break;
    }
    if (ended_) break;
  }
  pumping_ = false;
  for (const auto& frame : session_->take_output()) connection_->to_manager.write(frame);
  if (ended_) {  // it left while it handled a message
    connection_->to_worker.set_reader(nullptr);
    connection_->to_manager.finish();
    return;
  }
  if (connection_->to_manager.waiting() > kMaxQueuedFrames) {
    session_->on_disconnect("the manager does not read what is sent to it");
  }
  if (session_over()) return close_connection();
  std::optional<TimePoint> next = session_->next_deadline();
  if (const auto blocked = connection_->to_manager.blocked_since()) {
    next = next ? std::min(*next, *blocked + kWriteTimeout) : *blocked + kWriteTimeout;
  }
  link_alarm_.set(next);
}

void WorkerProcess::handle(proto::Message message) {
  if (const auto* welcome = std::get_if<proto::Welcome>(&message)) {
    registered_ = true;
    backoff_.registered(world_.now());
    apply(worker::LinkUp{kLink, welcome->manager_id});
  } else if (const auto* refuse = std::get_if<proto::Refuse>(&message)) {
    refusal_ = *refuse;
    if (!refuse->retry) leave();
  } else if (auto* assign = std::get_if<proto::Assign>(&message)) {
    ++asked_[{assign->job, assign->attempt}];
    if (liar_) liar_->on_assign(*assign);
    apply(worker::JobAssigned{kLink, std::move(*assign)});
  } else if (const auto* cancel = std::get_if<proto::Cancel>(&message)) {
    // What the core gives up at this very moment (a deadline) is answered before the cancel counts.
    apply(worker::AttemptCancelled{kLink, *cancel});
    for (auto asked = asked_.lower_bound({cancel->job, 0});
         asked != asked_.end() && asked->first.first == cancel->job &&
         asked->first.second <= cancel->attempt;
         ++asked) {
      asked->second = 0;
    }
    if (!liar_ || !session_) return;
    for (const auto& lie : liar_->on_cancel(*cancel)) {
      session_->send_outcome(std::get<proto::Outcome>(lie));
    }
  } else if (std::holds_alternative<proto::Drain>(message)) {
    apply(worker::ManagerDraining{kLink});
  }
}

void WorkerProcess::close_connection() {
  if (!session_->close_reason().ok()) {
    world_.tell({31, worker_.number()}, [&] {
      return worker_name(worker_.number()) +
             " closes its connection: " + session_->close_reason().message();
    });
  }
  connection_->to_worker.set_reader(nullptr);
  connection_->to_manager.finish();
  session_.reset();
  connection_ = nullptr;
  if (std::exchange(registered_, false)) apply(worker::LinkLost{kLink});
  if (ended_) return;
  if (core_.state() != worker::WorkerState::kServing) stopping_ = true;
  reconnect_later();
}

void WorkerProcess::reconnect_later() {
  if (stopping_) {  // nothing to wait for: the core has left, or its drain deadline ends it
    link_alarm_.set(std::nullopt);
    return;
  }
  milliseconds wait = backoff_.next(world_.now());
  if (refusal_) {
    wait += refusal_->retry ? std::min(refusal_->retry_after, milliseconds(2'000)) : kRefusedRetry;
    refusal_.reset();
  }
  link_alarm_.set(world_.now() + wait);
}

void WorkerProcess::on_link_alarm() {
  if (!session_) {
    if (!stopping_) connect();
    return;
  }
  const auto blocked = connection_->to_manager.blocked_since();
  if (blocked && *blocked + kWriteTimeout <= world_.now()) {
    session_->on_disconnect("a write took too long");
  } else {
    session_->on_tick(world_.now());
  }
  pump();
}

}  // namespace imgrec::simulation
