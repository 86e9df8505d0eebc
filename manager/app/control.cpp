#include "manager/app/control.h"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "common/logging.h"

namespace imgrec::manager {
namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

TimePoint now() { return std::chrono::steady_clock::now(); }

}  // namespace

Control::Control(asio::io_context& io, Storage& storage, ControlOptions options)
    : io_(io),
      storage_(storage),
      core_(options.core, now()),
      monitor_(now()),
      join_{0, options.workers.tls != nullptr, options.workers.session.join_token != nullptr},
      workers_(io, std::move(options.workers), *this),
      timer_(io),
      second_timer_(io) {}

Status Control::start() {
  if (Status status = workers_.start(); !status.ok()) return status;
  auto unfinished = storage_.take_open_images();
  if (!unfinished.empty()) spdlog::info("images_resumed count={}", unfinished.size());
  add_images(std::move(unfinished));
  join_.port = workers_.port();
  sample_each_second();
  return {};
}

// ---- any thread -------------------------------------------------------------------------------

void Control::add_images(std::vector<ImageRecord> images) {
  asio::post(io_, [this, images = std::move(images)]() mutable {
    apply(ImagesAccepted{std::move(images)});
  });
}

void Control::image_removed(ImageRecord image) {
  asio::post(io_,
             [this, image = std::move(image)]() mutable { apply(ImageRemoved{std::move(image)}); });
}

void Control::read_live(std::vector<ImageRecord> images,
                        std::function<void(std::vector<ImageRecord>)> done) {
  asio::post(io_, [this, images = std::move(images), done = std::move(done)]() mutable {
    for (auto& image : images) {
      const ImageRecord* open = core_.open_image(image.job);
      if (is_settled(image.state) || open == nullptr) continue;
      image = *open;
      // Its worker may have left since.
      const auto job = core_.scheduler().job(image.job);
      if (job && !job->assigned) image.state = ImageState::kQueued;
    }
    done(std::move(images));
  });
}

void Control::read_cluster(std::function<void(ClusterView)> done,
                           std::optional<std::chrono::seconds> history) {
  asio::post(io_, [this, done = std::move(done), history] {
    ClusterView all = fresh_view();
    if (history) all.history = monitor_.history().last(history->count());
    done(std::move(all));
  });
}

void Control::read_model(std::function<void(ServedModel)> done) {
  asio::post(io_, [this, done = std::move(done)] {
    const auto& workers = core_.registry().workers();
    const bool ready = std::any_of(workers.begin(), workers.end(), [this](const auto& entry) {
      const auto scheduled = core_.scheduler().worker(entry.first);
      return !entry.second.draining && scheduled && !scheduled->ejected;
    });
    done({model(), ready});
  });
}

// ---- figures ----------------------------------------------------------------------------------

ClusterView Control::view() const {
  const TimePoint at = now();
  const Scheduler& scheduler = core_.scheduler();
  ClusterView view;
  for (const auto& [id, worker] : core_.registry().workers()) {
    view.workers.push_back(snapshot(worker, at));
  }
  view.model = model();
  view.queue_depth = scheduler.queued_jobs();
  view.in_flight = scheduler.open_jobs() - scheduler.queued_jobs();
  view.totals = storage_.totals();
  view.attempts = scheduler.counters();
  view.last_10s = core_.rate().over(std::chrono::seconds(10), at);
  view.last_minute = core_.rate().over(std::chrono::seconds(60), at);
  view.overall = core_.rate().overall(at);
  view.latency = monitor_.latency();
  for (std::size_t i = 0; i < kPhases; ++i) {
    view.phase_sums[i] = monitor_.meter().sum(static_cast<Phase>(i));
  }
  view.wire = workers_.links().all();
  view.uptime = monitor_.uptime(at);
  view.join = join_;
  view.newest = monitor_.history().newest();
  return view;
}

ClusterView Control::fresh_view() {
  workers_.refresh_links(now());
  return view();
}

void Control::sample_each_second() {
  second_timer_.expires_at(monitor_.next_second(now()));
  second_timer_.async_wait([this](error_code ec) {
    if (ec) return;
    workers_.sample_links(now());
    const net::TcpTraffic traffic = workers_.links().all().traffic;
    const Scheduler& scheduler = core_.scheduler();
    const bool taken = monitor_.on_second(
        {.images = core_.rate().images(),
         .bytes = core_.rate().bytes(),
         .wire_bytes_out = traffic.wire_bytes_out,
         .wire_bytes_in = traffic.wire_bytes_in,
         .queue_depth = scheduler.queued_jobs(),
         .in_flight = scheduler.open_jobs() - scheduler.queued_jobs(),
         .workers = static_cast<std::uint32_t>(core_.registry().workers().size())},
        now());
    if (taken) {
      for (auto* observer : observers_) observer->on_second();
    }
    sample_each_second();
  });
}

WorkerSnapshot Control::snapshot(const RegisteredWorker& worker, TimePoint at) const {
  const auto scheduled = core_.scheduler().worker(worker.id).value_or(Scheduler::WorkerView{});
  return {.id = worker.id.value,
          .name = worker.name,
          .address = worker.address,
          .model = worker.model,
          .draining = worker.draining,
          .ejected = scheduled.ejected,
          .credit = worker.credit,
          .window = scheduled.window,
          .in_flight = scheduled.in_flight,
          .done = worker.done,
          .failed = worker.failed,
          .images_per_s = worker.rate.over(std::chrono::seconds(10), at).images_per_s,
          .service_time = scheduled.service_time,
          .rtt = workers_.rtt(worker.id),
          .link = workers_.links().link(worker.id),
          .connected = duration_cast<std::chrono::seconds>(at - worker.connected)};
}

// ---- workers ----------------------------------------------------------------------------------

void Control::on_hello(WorkerId worker, const std::string& address, proto::Hello hello) {
  spdlog::info("worker_introduced worker={} name={} address={} model={} credit={} streams={}",
               worker.value, log_text(hello.name), address, log_text(hello.model_name),
               hello.credit, hello.streams);
  apply(WorkerIntroduced{worker, address, std::move(hello)});
}

void Control::on_message(WorkerId worker, proto::Message message) {
  if (const auto* drain = std::get_if<proto::Drain>(&message)) {
    spdlog::info("worker_draining worker={} name={} reason={}", worker.value, name_of(worker),
                 log_text(drain->reason));
  } else if (const auto* batch = std::get_if<proto::Batch>(&message)) {
    spdlog::info("worker_batches worker={} name={} count={}", worker.value, name_of(worker),
                 batch->count);
  }
  apply(WorkerSaid{worker, std::move(message)});
}

void Control::on_worker_left(WorkerId worker, const Status& why) {
  spdlog::info("worker_left worker={} name={} reason={}", worker.value, name_of(worker),
               why.ok() ? "bye" : log_text(why.message()));
  apply(WorkerDisconnected{worker});
}

std::string Control::name_of(WorkerId worker) const {
  const auto& workers = core_.registry().workers();
  const auto found = workers.find(worker);
  return log_text(found == workers.end() ? "" : found->second.name);
}

void Control::on_round_trip(WorkerId worker, std::chrono::microseconds rtt, bool guessed) {
  apply(LinkMeasured{worker, rtt, guessed});
}

// ---- the core ---------------------------------------------------------------------------------

void Control::apply(CoreEvent event) {
  waiting_.push_back(std::move(event));
  if (applying_) return;
  applying_ = true;
  while (!waiting_.empty()) {
    CoreEvent next = std::move(waiting_.front());
    waiting_.pop_front();
    for (CoreAction& action : core_.on_event(std::move(next), now())) {
      std::visit([this](auto& a) { perform(a); }, action);
    }
  }
  applying_ = false;
  arm_timer();
}

void Control::perform(const AssignJob& action) {
  if (const proto::SharedBytes bytes = storage_.cached_bytes(action.job)) {
    send_assignment(action, bytes);
    return;
  }
  storage_.load_bytes(action.job, [this, action](Result<proto::SharedBytes> bytes) {
    asio::post(io_, [this, action, bytes = std::move(bytes)] { send_assignment(action, bytes); });
  });
}

void Control::send_assignment(const AssignJob& action, const Result<proto::SharedBytes>& bytes) {
  if (!core_.wants(action)) return;  // settled, deleted, or its worker left while the disk was read
  if (!bytes.ok()) {
    spdlog::error("image_bytes_unreadable job={} error={}", action.job.value,
                  log_text(bytes.status().message()));
    const bool for_good = bytes.status().code() == StatusCode::kDataLoss ||
                          bytes.status().code() == StatusCode::kNotFound;
    apply(BytesUnreadable{action.worker, action.job, action.attempt, bytes.status().message(),
                          for_good});
    return;
  }
  const ImageRecord* image = core_.open_image(action.job);
  const std::uint16_t top_k = image ? image->top_k : std::uint16_t{kStoredPredictions};
  workers_.assign(action.worker,
                  proto::Assign{action.job, action.attempt, action.deadline, top_k, *bytes});
}

void Control::perform(const CancelAttempt& action) {
  workers_.cancel(action.worker, proto::Cancel{action.job, action.attempt, action.reason});
}

void Control::perform(const DropReport& action) {
  spdlog::debug("report_dropped worker={} job={} attempt={}", action.worker.value, action.job.value,
                action.attempt);
}

void Control::perform(const WelcomeWorker& action) {
  workers_.welcome(action.worker);
  const WorkerRegistry& registry = core_.registry();
  spdlog::info("worker_joined worker={} name={}", action.worker.value, name_of(action.worker));
  if (const auto replaced = registry.replaced_model()) {
    spdlog::info("model_changing from={} to={} digest={}", log_text(replaced->name),
                 log_text(registry.model()->name), registry.model()->digest.substr(0, 12));
  }
}

void Control::perform(const RefuseWorker& action) {
  if (const auto left_out = refusals_.admit(now())) {
    spdlog::warn("worker_refused worker={} reason={} left_out={}", action.worker.value,
                 log_text(action.refuse.reason), *left_out);
  }
  workers_.refuse(action.worker, action.refuse);
}

void Control::perform(const DrainWorker& action) { workers_.drain(action.worker, action.drain); }

void Control::perform(const DismissWorker& action) { workers_.bye(action.worker, action.reason); }

void Control::perform(RememberModel& action) { storage_.register_model(std::move(action.model)); }

void Control::perform(StoreSettlement& action) {
  storage_.settle(action.settlement,
                  [this, settlement = action.settlement](Result<ImageRecord> stored) {
                    asio::post(io_, [this, settlement, stored = std::move(stored)]() mutable {
                      if (!stored.ok()) {
                        spdlog::error("settlement_not_stored job={} error={}", settlement.job.value,
                                      log_text(stored.status().message()));
                      }
                      apply(SettlementStored{std::move(settlement), std::move(stored)});
                    });
                  });
}

void Control::perform(const AnnounceState& action) {
  const ImageRecord* image = core_.open_image(action.job);
  if (image == nullptr) return;
  for (auto* observer : observers_) observer->on_state(*image);
}

void Control::perform(AnnounceSettled& action) {
  ImageRecord& image = action.image;
  const auto since = std::chrono::system_clock::now() - image.settled.value_or(WallTime{});
  image.timing.push = std::max(microseconds(0), duration_cast<microseconds>(since));
  monitor_.on_settled(image, now());
  spdlog::debug("image_settled job={} image={} state={} worker={} attempts={}", image.job.value,
                image.id.text, to_string(image.state), log_text(image.worker), image.attempts);
  for (auto* observer : observers_) observer->on_settled(image);
}

void Control::perform(const AnnounceRemoved& action) {
  for (auto* observer : observers_) observer->on_deleted(action.image);
}

void Control::arm_timer() {
  const auto deadline = core_.next_deadline();
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
    apply(Tick{});
  });
}

// ---- the end ----------------------------------------------------------------------------------

void Control::shut_down(std::chrono::milliseconds grace, std::function<void()> done) {
  shutdown_done_ = std::move(done);
  apply(ShutdownRequested{grace});
}

void Control::perform(const FinishShutdown& action) {
  if (action.unfinished > 0) {
    spdlog::warn("drain_incomplete in_flight={} action=\"they run again at the next start\"",
                 action.unfinished);
  }
  workers_.stop_accepting("the manager is shutting down");
  if (shutdown_done_) std::exchange(shutdown_done_, nullptr)();
}

}  // namespace imgrec::manager
