#include "manager/core/manager_core.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace imgrec::manager {
namespace {

using std::chrono::microseconds;

constexpr std::string_view kLeaving = "the manager is shutting down";
constexpr std::chrono::milliseconds kComeBackAfter{2'000};  // to a manager that restarts

// "10.0.0.7:51324" -> "10.0.0.7"
std::string host_of(const std::string& address) { return address.substr(0, address.rfind(':')); }

}  // namespace

ManagerCore::ManagerCore(ManagerCoreOptions options, TimePoint now)
    : options_(options),
      scheduler_(options.scheduler),
      registry_(options.max_workers),
      rate_(now),
      now_(now) {}

std::vector<CoreAction> ManagerCore::on_event(CoreEvent event, TimePoint now) {
  if (finished_) return {};
  now_ = now;
  actions_.clear();
  std::visit([this](auto&& e) { handle(std::move(e)); }, std::move(event));
  maybe_finish_shutdown();
  return std::exchange(actions_, {});
}

std::optional<TimePoint> ManagerCore::next_deadline() const {
  if (finished_) return std::nullopt;
  std::optional<TimePoint> next = scheduler_.next_deadline();
  const auto consider = [&next](TimePoint at) { next = next ? std::min(*next, at) : at; };
  if (!to_store_again_.empty()) consider(to_store_again_.begin()->first);
  if (shutdown_deadline_) consider(*shutdown_deadline_);
  return next;
}

bool ManagerCore::wants(const AssignJob& assignment) const {
  return scheduler_.holds(assignment.worker, assignment.job, assignment.attempt);
}

const ImageRecord* ManagerCore::open_image(JobId job) const {
  const auto found = open_.find(job);
  return found == open_.end() ? nullptr : &found->second;
}

// ---- images -----------------------------------------------------------------------------------

void ManagerCore::handle(ImagesAccepted&& event) {
  for (ImageRecord& image : event.images) {
    const JobAdded added{image.job, image.session, image.bytes};
    if (open_.emplace(added.job, std::move(image)).second) schedule(added);
  }
}

void ManagerCore::handle(ImageRemoved&& event) {
  if (open_.erase(event.image.job) > 0) schedule(JobCancelled{event.image.job});
  actions_.push_back(AnnounceRemoved{std::move(event.image)});
}

// ---- workers ----------------------------------------------------------------------------------

void ManagerCore::handle(WorkerIntroduced&& event) {
  std::optional<proto::Refuse> refuse = registry_.judge(event.hello);
  if (shutdown_deadline_) {
    refuse = proto::Refuse{proto::RefuseCode::kShuttingDown, true, kComeBackAfter,
                           std::string(kLeaving)};
  }
  if (refuse) {
    actions_.push_back(RefuseWorker{event.worker, std::move(*refuse)});
    return;
  }
  if (const auto old = registry_.find_instance(event.hello.instance_id)) {
    actions_.push_back(DismissWorker{*old, "the same worker process has connected again"});
    remove_worker(*old);
  }
  const proto::Hello& hello = event.hello;
  const RegisteredWorker& worker = registry_.add(event.worker, hello, event.address, now_);
  actions_.push_back(WelcomeWorker{event.worker});
  actions_.push_back(
      RememberModel{{hello.model_digest, hello.model_name, hello.labels, hello.unsure_below}});
  schedule(WorkerJoined{event.worker, worker.credit, worker.streams,
                        worker.name + "@" + host_of(worker.address)});
}

void ManagerCore::handle(WorkerSaid&& event) {
  RegisteredWorker* worker = registry_.find(event.worker);
  if (worker == nullptr) return;
  if (const auto* outcome = std::get_if<proto::Outcome>(&event.message)) {
    on_outcome(event.worker, *outcome);
  } else if (const auto* fail = std::get_if<proto::Fail>(&event.message)) {
    ++worker->failed;
    on_fail(event.worker, *fail);
  } else if (const auto* batch = std::get_if<proto::Batch>(&event.message)) {
    schedule(WorkerBatches{event.worker, batch->count});
  } else if (std::holds_alternative<proto::Drain>(event.message) ||
             std::holds_alternative<proto::Bye>(event.message)) {
    // One that says farewell was not killed by what it held.
    worker->draining = true;
    schedule(WorkerDraining{event.worker});
  }
}

void ManagerCore::handle(WorkerDisconnected&& event) { remove_worker(event.worker); }

void ManagerCore::remove_worker(WorkerId worker) {
  if (registry_.find(worker) == nullptr) return;
  registry_.remove(worker);
  schedule(WorkerLeft{worker});
}

void ManagerCore::handle(LinkMeasured&& event) {
  if (registry_.find(event.worker) == nullptr) return;
  schedule(WorkerMeasured{event.worker, event.rtt, event.guessed});
}

// ---- reports ----------------------------------------------------------------------------------

void ManagerCore::on_outcome(WorkerId worker, const proto::Outcome& outcome) {
  schedule(AttemptSucceeded{worker, outcome.job, outcome.attempt, outcome.from_cache,
                            outcome.timing.decode + outcome.timing.inference},
           &outcome);
}

void ManagerCore::on_fail(WorkerId worker, const proto::Fail& fail) {
  schedule(AttemptFailed{worker, fail.job, fail.attempt, fail.code, fail.retriable, fail.text});
}

void ManagerCore::handle(BytesUnreadable&& event) {
  if (!open_.contains(event.job)) return;
  // What may pass is tried again soon: kOverCredit spares the worker for a moment, and counts
  // against neither the worker nor the image.
  const auto code = event.for_good ? proto::FailCode::kInternal : proto::FailCode::kOverCredit;
  schedule(AttemptFailed{event.worker, event.job, event.attempt, code,
                         /*retriable=*/!event.for_good,
                         "the stored photo cannot be read: " + event.text,
                         /*by_worker=*/false});
}

void ManagerCore::schedule(const Event& event, const proto::Outcome* outcome) {
  for (Action& action : scheduler_.on_event(event, now_)) {
    std::visit(
        [&](auto&& a) {
          using A = std::decay_t<decltype(a)>;
          if constexpr (std::is_same_v<A, SettleDone>) {
            take(a, outcome);
          } else if constexpr (std::is_same_v<A, AssignJob> || std::is_same_v<A, SettleFailed>) {
            take(std::move(a));
          } else {
            actions_.push_back(std::move(a));
          }
        },
        std::move(action));
  }
}

void ManagerCore::take(AssignJob&& action) {
  const auto found = open_.find(action.job);
  if (found == open_.end()) return;  // cannot be: the scheduler's jobs are open images
  ImageRecord& image = found->second;
  image.state = ImageState::kAssigned;
  image.attempts = action.attempt;
  if (const auto* worker = registry_.find(action.worker)) image.worker = worker->name;
  actions_.push_back(AnnounceState{action.job});
  actions_.push_back(std::move(action));
}

// ---- settling ---------------------------------------------------------------------------------

void ManagerCore::take(const SettleDone& action, const proto::Outcome* outcome) {
  RegisteredWorker* worker = registry_.find(action.worker);
  const auto found = open_.find(action.job);
  // A settlement comes of a report in hand, of a worker that is here, for an open image.
  if (outcome == nullptr || worker == nullptr || found == open_.end()) return;
  ++worker->done;
  worker->rate.add(now_, found->second.bytes);
  rate_.add(now_, found->second.bytes);

  const auto on_worker = outcome->timing.decode + outcome->timing.queue + outcome->timing.inference;
  Settlement settlement;
  settlement.job = action.job;
  settlement.done = true;
  settlement.model_digest = worker->model.digest;
  settlement.top = outcome->top;
  settlement.worker = worker->name;
  settlement.attempts = action.attempts;
  settlement.timing.queue = action.queued + outcome->timing.queue;
  settlement.timing.wire = std::max(action.flight - on_worker, microseconds(0));
  settlement.timing.decode = outcome->timing.decode;
  settlement.timing.inference = outcome->timing.inference;
  settle(std::move(settlement));
}

void ManagerCore::take(SettleFailed&& action) {
  Settlement settlement;
  settlement.job = action.job;
  settlement.error = ImageError{std::move(action.code), std::move(action.detail)};
  settlement.attempts = action.attempts;
  settle(std::move(settlement));
}

void ManagerCore::settle(Settlement settlement) {
  ++storing_;
  actions_.push_back(StoreSettlement{std::move(settlement)});
}

void ManagerCore::handle(SettlementStored&& event) {
  --storing_;
  const JobId job = event.settlement.job;
  if (event.stored.ok()) {
    open_.erase(job);
    actions_.push_back(AnnounceSettled{std::move(event.stored).value()});
    return;
  }
  const StatusCode code = event.stored.status().code();
  if (code == StatusCode::kNotFound || code == StatusCode::kFailedPrecondition) {
    open_.erase(job);  // deleted, or settled before a restart: nothing left to do
    return;
  }
  to_store_again_.emplace(now_ + options_.settle_retry, std::move(event.settlement));
}

void ManagerCore::retry_settlements() {
  while (!to_store_again_.empty() && to_store_again_.begin()->first <= now_) {
    settle(std::move(to_store_again_.extract(to_store_again_.begin()).mapped()));
  }
}

// ---- time, and the end ------------------------------------------------------------------------

void ManagerCore::handle(Tick&&) {
  retry_settlements();
  schedule(Tick{});
}

void ManagerCore::handle(ShutdownRequested&& event) {
  if (shutdown_deadline_) return;
  shutdown_deadline_ = now_ + event.grace;
  schedule(AssignNothingMore{});  // not even what only waited for a worker that drains first
  for (const auto& [id, worker] : registry_.workers()) {
    actions_.push_back(DrainWorker{id, {event.grace, std::string(kLeaving)}});
    schedule(WorkerDraining{id});
  }
}

void ManagerCore::maybe_finish_shutdown() {
  if (!shutdown_deadline_ || finished_) return;
  const bool late = now_ >= *shutdown_deadline_;
  if (!late && (storing_ > 0 || in_flight() > 0)) return;
  finished_ = true;
  const std::size_t unfinished = in_flight();
  for (const auto& [id, worker] : registry_.workers()) {
    actions_.push_back(DismissWorker{id, std::string(kLeaving)});
  }
  actions_.push_back(FinishShutdown{unfinished});
}

}  // namespace imgrec::manager
