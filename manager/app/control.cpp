#include "manager/app/control.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "common/logging.h"

namespace imgrec::manager {
namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::microseconds;

namespace {

TimePoint now() { return std::chrono::steady_clock::now(); }

// A settlement that the storage could not take is tried again: the image stays accepted.
constexpr std::chrono::seconds kSettleRetry(1);

}  // namespace

Control::Control(asio::io_context& io, Storage& storage, ControlOptions options)
    : io_(io),
      storage_(storage),
      scheduler_(options.scheduler),
      workers_(io, std::move(options.workers), *this),
      timer_(io),
      rate_(now()),
      shutdown_timer_(io) {}

Status Control::start() {
  if (Status status = workers_.start(); !status.ok()) return status;
  auto unfinished = storage_.take_open_images();
  if (!unfinished.empty()) spdlog::info("images_resumed count={}", unfinished.size());
  add_images(std::move(unfinished));
  return {};
}

void Control::add_images(std::vector<ImageRecord> images) {
  asio::post(io_, [this, images = std::move(images)]() mutable {
    for (auto& image : images) {
      const JobAdded added{image.job, image.session, image.bytes};
      open_.emplace(added.job, std::move(image));
      schedule(added);
    }
  });
}

void Control::image_removed(ImageRecord image) {
  asio::post(io_, [this, image = std::move(image)] {
    if (open_.erase(image.job) > 0) schedule(JobCancelled{image.job});
    for (auto* observer : observers_) observer->on_deleted(image);
  });
}

void Control::read_live(std::vector<ImageRecord> images,
                        std::function<void(std::vector<ImageRecord>)> done) {
  asio::post(io_, [this, images = std::move(images), done = std::move(done)]() mutable {
    for (auto& image : images) {
      const auto found = open_.find(image.job);
      if (is_settled(image.state) || found == open_.end()) continue;
      image = found->second;
      // Its worker may have left since.
      const auto job = scheduler_.job(image.job);
      if (job && !job->assigned) image.state = ImageState::kQueued;
    }
    done(std::move(images));
  });
}

void Control::read_cluster(std::function<void(ClusterView)> done) {
  asio::post(io_, [this, done = std::move(done)] { done(view()); });
}

ClusterView Control::view() const {
  const TimePoint at = now();
  ClusterView view;
  for (const auto& [id, worker] : workers_.registry().workers()) {
    const auto scheduled = scheduler_.worker(id).value_or(Scheduler::WorkerView{});
    view.workers.push_back(
        {.id = id.value,
         .name = worker.name,
         .address = worker.address,
         .model = worker.model,
         .draining = worker.draining,
         .credit = worker.credit,
         .in_flight = scheduled.in_flight,
         .done = worker.done,
         .failed = worker.failed,
         .images_per_s = worker.rate.over(std::chrono::seconds(10), at).images_per_s,
         .service_time = scheduled.service_time,
         .rtt = workers_.rtt(id),
         .connected = std::chrono::duration_cast<std::chrono::seconds>(at - worker.connected)});
  }
  view.model = model();
  view.queue_depth = scheduler_.queued_jobs();
  view.in_flight = scheduler_.open_jobs() - scheduler_.queued_jobs();
  view.totals = storage_.totals();
  view.attempts = scheduler_.counters();
  view.last_10s = rate_.over(std::chrono::seconds(10), at);
  view.last_minute = rate_.over(std::chrono::seconds(60), at);
  view.overall = rate_.overall(at);
  return view;
}

void Control::on_worker_joined(const RegisteredWorker& worker, const proto::Hello& hello) {
  storage_.register_model({hello.model_digest, hello.model_name, hello.labels, hello.unsure_below});
  schedule(WorkerJoined{worker.id, worker.credit, worker.streams});
}

void Control::on_worker_draining(WorkerId worker) { schedule(WorkerDraining{worker}); }

void Control::on_worker_left(WorkerId worker) {
  schedule(WorkerLeft{worker});
  maybe_finish_shutdown();
}

void Control::on_outcome(WorkerId worker, const proto::Outcome& outcome) {
  schedule(AttemptSucceeded{worker, outcome.job, outcome.attempt}, &outcome);
  maybe_finish_shutdown();
}

void Control::on_fail(WorkerId worker, const proto::Fail& fail) {
  schedule(AttemptFailed{worker, fail.job, fail.attempt, fail.code, fail.retriable, fail.text});
  maybe_finish_shutdown();
}

void Control::schedule(const Event& event, const proto::Outcome* outcome) {
  for (const Action& action : scheduler_.on_event(event, now())) {
    if (const auto* done = std::get_if<SettleDone>(&action)) {
      perform(*done, outcome);
    } else {
      std::visit(
          [this]<class T>(const T& a) {
            if constexpr (!std::is_same_v<T, SettleDone>) perform(a);
          },
          action);
    }
  }
  arm_timer();
}

void Control::perform(const AssignJob& action) {
  const auto found = open_.find(action.job);
  if (found == open_.end()) return;
  ImageRecord& image = found->second;
  image.state = ImageState::kAssigned;
  image.attempts = action.attempt;
  if (const auto* worker = workers_.registry().find(action.worker)) image.worker = worker->name;
  notify_state(action.job);
  if (const proto::SharedBytes bytes = storage_.cached_bytes(action.job)) {
    send_assignment(action, bytes);
    return;
  }
  storage_.load_bytes(action.job, [this, action](Result<proto::SharedBytes> bytes) {
    asio::post(io_, [this, action, bytes = std::move(bytes)] { send_assignment(action, bytes); });
  });
}

void Control::send_assignment(const AssignJob& action, const Result<proto::SharedBytes>& bytes) {
  if (!bytes.ok()) {
    if (!open_.contains(action.job)) return;
    spdlog::error("image_bytes_unreadable job={} error={}", action.job.value,
                  log_text(bytes.status().message()));
    schedule(AttemptFailed{action.worker, action.job, action.attempt, proto::FailCode::kInternal,
                           false, "the stored photo cannot be read: " + bytes.status().message()});
    return;
  }
  // Where the worker has left meanwhile, the scheduler has heard of it and chosen another.
  workers_.assign(action.worker, proto::Assign{action.job, action.attempt, action.deadline,
                                               kStoredPredictions, *bytes});
}

void Control::perform(const CancelAttempt& action) {
  workers_.cancel(action.worker, proto::Cancel{action.job, action.attempt, action.reason});
}

void Control::perform(const SettleDone& action, const proto::Outcome* outcome) {
  auto* worker = workers_.registry().find(action.worker);
  if (outcome == nullptr || worker == nullptr) {
    spdlog::critical("settlement_without_result job={} worker={}", action.job.value,
                     action.worker.value);
    return;
  }
  const auto found = open_.find(action.job);
  if (found == open_.end()) return;  // deleted meanwhile
  worker->done++;
  worker->rate.add(now(), found->second.bytes);
  rate_.add(now(), found->second.bytes);

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

void Control::perform(const SettleFailed& action) {
  Settlement settlement;
  settlement.job = action.job;
  settlement.error = ImageError{action.code, action.detail};
  settlement.attempts = action.attempts;
  settle(std::move(settlement));
}

void Control::perform(const DropReport& action) {
  spdlog::debug("report_dropped worker={} job={} attempt={}", action.worker.value, action.job.value,
                action.attempt);
}

void Control::settle(Settlement settlement) {
  ++settling_;
  storage_.settle(settlement, [this, settlement](Result<ImageRecord> stored) {
    asio::post(io_, [this, settlement, stored = std::move(stored)] {
      on_settle_stored(settlement, stored);
    });
  });
}

void Control::on_settle_stored(const Settlement& settlement, const Result<ImageRecord>& stored) {
  --settling_;
  if (stored.ok()) {
    open_.erase(settlement.job);
    ImageRecord image = *stored;
    image.timing.push =
        std::max(microseconds(0),
                 std::chrono::duration_cast<microseconds>(std::chrono::system_clock::now() -
                                                          image.settled.value_or(WallTime{})));
    spdlog::debug("image_settled job={} image={} state={} worker={} attempts={}", image.job.value,
                  image.id.text, to_string(image.state), log_text(image.worker), image.attempts);
    for (auto* observer : observers_) observer->on_settled(image);
    maybe_finish_shutdown();
    return;
  }
  const StatusCode code = stored.status().code();
  if (code == StatusCode::kNotFound || code == StatusCode::kFailedPrecondition) {
    open_.erase(settlement.job);  // deleted, or settled before a restart: nothing left to do
    maybe_finish_shutdown();
    return;
  }
  spdlog::error("settlement_not_stored job={} error={} action=\"trying again in 1 s\"",
                settlement.job.value, log_text(stored.status().message()));
  auto timer = std::make_shared<asio::steady_timer>(io_, kSettleRetry);
  timer->async_wait([this, timer, settlement](error_code ec) {
    if (!ec && !shutdown_done_) settle(settlement);
  });
}

void Control::notify_state(JobId job) {
  const auto found = open_.find(job);
  if (found == open_.end()) return;
  for (auto* observer : observers_) observer->on_state(found->second);
}

void Control::arm_timer() {
  const auto deadline = scheduler_.next_deadline();
  if (!deadline) {
    timer_.cancel();
    armed_.reset();
    return;
  }
  if (armed_ == deadline) return;
  armed_ = deadline;
  timer_.expires_at(*deadline);
  timer_.async_wait([this](error_code ec) {
    if (ec) return;
    armed_.reset();
    schedule(Tick{});
  });
}

void Control::shut_down(std::chrono::milliseconds grace, std::function<void()> done) {
  shutdown_done_ = std::move(done);
  workers_.begin_shutdown();
  std::vector<WorkerId> ids;
  for (const auto& [id, worker] : workers_.registry().workers()) ids.push_back(id);
  for (const WorkerId id : ids) schedule(WorkerDraining{id});
  shutdown_timer_.expires_after(grace);
  shutdown_timer_.async_wait([this](error_code ec) {
    if (ec || !shutdown_done_) return;
    spdlog::warn("drain_incomplete in_flight={} action=\"they run again at the next start\"",
                 scheduler_.open_jobs() - scheduler_.queued_jobs());
    // Taken first: close_all() reports each worker's leaving, and the last one would take it.
    const auto finish = std::exchange(shutdown_done_, nullptr);
    workers_.close_all("the manager is shutting down");
    timer_.cancel();
    finish();
  });
  maybe_finish_shutdown();
}

void Control::maybe_finish_shutdown() {
  if (!shutdown_done_ || settling_ > 0) return;
  if (scheduler_.open_jobs() > scheduler_.queued_jobs()) return;
  const auto done = std::exchange(shutdown_done_, nullptr);
  shutdown_timer_.cancel();
  workers_.close_all("the manager is shutting down");
  timer_.cancel();
  done();
}

}  // namespace imgrec::manager
