#include "worker/net/worker_runner.h"

#include <algorithm>
#include <csignal>
#include <exception>
#include <random>
#include <string_view>
#include <utility>

#include <boost/asio/post.hpp>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include "common/logging.h"
#include "net/random_id.h"
#include "proto/instance_id.h"

namespace imgrec::worker {
namespace asio = boost::asio;
namespace {

constexpr std::string_view kReplaced = "another model takes over";

// Shared by all copies: a new model must not meet the old one's dice again.
std::function<double()> system_random() {
  return [generator = std::make_shared<std::mt19937_64>(std::random_device{}())] {
    return std::uniform_real_distribution<double>(0, 1)(*generator);
  };
}

WorkerRunnerOptions completed(WorkerRunnerOptions options) {
  if (!options.random) options.random = system_random();
  options.directory.random = options.random;
  return options;
}

void unblock(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

WorkerRunner::WorkerRunner(WorkerRunnerOptions options, std::shared_ptr<Engine> engine,
                           EngineReopener reopen)
    : options_(completed(std::move(options))),
      reopen_(std::move(reopen)),
      process_id_(net::random_id()),
      work_guard_(asio::make_work_guard(io_)),
      signals_(io_),
      finder_(io_, options_.managers, options_.directory, *this),
      newest_(make_service(std::move(engine))) {}

WorkerRunner::~WorkerRunner() {
  if (loader_.joinable()) loader_.join();
  for (Unloading& each : unloading_) each.thread.join();
}

std::unique_ptr<ModelService> WorkerRunner::make_service(std::shared_ptr<Engine> engine) {
  ModelService::Owner& owner = *this;
  return std::make_unique<ModelService>(io_, options_, proto::instance_id(process_id_, made_++),
                                        std::move(engine), owner);
}

// Connections to it wait from here on; they are answered once the io_context runs.
Status WorkerRunner::open_ops_port() {
  if (options_.ops_listen.empty()) return {};
  net::OpsHandlers handlers;
  handlers.readiness = [this]() -> net::OpsHandlers::Readiness {
    const WorkerStatus now = status();
    return {now.ready(), now.sentence()};
  };
  handlers.metrics = [this] { return options_.metrics_text(status()); };
  ops_.emplace(io_, net::OpsServerOptions{.listen = options_.ops_listen}, std::move(handlers));
  return ops_->start();
}

WorkerStatus WorkerRunner::status() const {
  WorkerStatus status;
  status.warm = ready_;
  status.leaving = stopping_ || exit_.has_value();
  status.reloading = reloading_;
  status.counters = past_;
  status.reconnects = past_reconnects_;
  for (const ModelService* service : services()) {
    status.counters += service->counters();
    status.reconnects += service->reconnects();
    service->add_to(status);
  }
  const ModelDescription& model = newest_->model();
  status.model_name = model.name;
  status.model_digest = model.digest;
  status.classes = model.labels.size();
  status.streams = options_.streams;
  status.batch = newest_->batch();
  status.credit = options_.credit;
  return status;
}

WorkerExit WorkerRunner::run() {
  if (const Status opened = open_ops_port(); !opened.ok()) return {3, opened.message(), false};
  if (options_.handle_signals) {
    signals_.add(SIGTERM);
    signals_.add(SIGINT);
    if (reopen_) {
      signals_.add(SIGHUP);
      unblock(SIGHUP);
    }
    await_signal();
  }
  newest_->warm_up([this](const Status& status) {
    if (exit_ || stopping_) return;
    if (!status.ok()) return leave(1, "the engine cannot warm up: " + status.message());
    begin();
  });
  io_.run();
  return exit_report();
}

void WorkerRunner::begin() {
  ready_ = true;
  finder_.start();
  end_reload();  // one may have been asked for meanwhile
}

// ---- which managers there are -----------------------------------------------------------------

void WorkerRunner::open_link(LinkId link, const ManagerAddress& to) {
  newest_->add_link(link, to, /*parked=*/false);
}

void WorkerRunner::close_link(LinkId link) {
  newest_->remove_link(link);
  for (const auto& older : older_)
    older->retire(link, options_.drain_timeout, "its manager is gone");
}

void WorkerRunner::park_link(LinkId link) {
  for (ModelService* service : services()) service->park_link(link);
}

void WorkerRunner::wake_link(LinkId link) {
  for (ModelService* service : services()) service->wake_link(link);
}

WorkerExit WorkerRunner::exit_report() {
  exit_->abandoned_work = reloading_ || finder_.looking_up();
  for (const ModelService* service : services()) {
    exit_->abandoned_work |= service->has_thread_at_work();
    past_ += service->counters();
  }
  for (const Unloading& each : unloading_) {
    exit_->abandoned_work |= each.service->has_thread_at_work();
  }
  spdlog::info(
      "worker_left code={} reason={} assigned={} done={} failed={} from_cache={} unwanted={}",
      exit_->code, log_text(exit_->reason), past_.assigned, past_.done, past_.failed,
      past_.from_cache, past_.unwanted);
  return *exit_;
}

std::vector<ModelService*> WorkerRunner::services() const {
  std::vector<ModelService*> all;
  for (const auto& service : older_) all.push_back(service.get());
  all.push_back(newest_.get());
  return all;
}

// ---- another model ----------------------------------------------------------------------------

void WorkerRunner::request_reload(std::string reason) {
  asio::post(io_, [this, reason = std::move(reason)] { reload(reason); });
}

void WorkerRunner::reload(const std::string& reason) {
  if (!reopen_) return;
  if (exit_ || stopping_) {
    spdlog::info("reload_ignored reason=\"this worker is leaving\"");
    return;
  }
  if (!ready_ || reloading_) {
    reload_again_ = true;
    spdlog::info("reload_postponed until=\"the model in hand is loaded and warm\"");
    return;
  }
  reloading_ = true;
  const ModelDescription& serving = newest_->model();
  spdlog::info("reload_begins reason={} serving={} digest={}", log_text(reason),
               log_text(serving.name), serving.digest.substr(0, 12));
  loader_ = std::thread([this, digest = serving.digest] {
    Opened opened = Status(StatusCode::kInternal, "it was not opened");
    try {
      opened = reopen_(digest);
    } catch (const std::exception& error) {  // no memory for two of them
      opened = Status(StatusCode::kInternal, std::string("loading it failed: ") + error.what());
    }
    asio::post(io_, [this, opened = std::move(opened)]() mutable { on_opened(std::move(opened)); });
  });
  pthread_setname_np(loader_.native_handle(), "load-model");
}

void WorkerRunner::on_opened(Opened opened) {
  loader_.join();
  const ModelDescription& serving = newest_->model();
  if (exit_ || stopping_) {
    reloading_ = false;
    return;
  }
  if (!opened.ok()) {
    spdlog::error("reload_failed error={} serving={} digest={} action=\"the old model goes on\"",
                  log_text(opened.status().message()), log_text(serving.name),
                  serving.digest.substr(0, 12));
    return end_reload();
  }
  if (*opened == nullptr || (*opened)->model().digest == serving.digest) {
    spdlog::info("reload_unchanged serving={} digest={} reason=\"it is the model on disk\"",
                 log_text(serving.name), serving.digest.substr(0, 12));
    return end_reload();
  }
  candidate_ = make_service(std::move(opened).value());
  candidate_->warm_up([this](const Status& status) { on_warm(status); });
}

void WorkerRunner::on_warm(const Status& status) {
  if (exit_ || stopping_) {
    reloading_ = false;  // its threads are idle, and end with this object
    return;
  }
  if (status.ok()) {
    take_over();
  } else {
    spdlog::error("reload_failed error={} serving={} digest={} action=\"the old model goes on\"",
                  log_text("the new model cannot warm up: " + status.message()),
                  log_text(newest_->model().name), newest_->model().digest.substr(0, 12));
    unload(std::move(candidate_));
  }
  end_reload();
}

// Links of an older model that are not registered would only compete with the new one's; those that
// are keep what they serve until the new model is registered there.
void WorkerRunner::take_over() {
  older_.push_back(std::move(newest_));
  newest_ = std::move(candidate_);
  spdlog::info("model_warm model={} digest={} replaces={}", log_text(newest_->model().name),
               newest_->model().digest.substr(0, 12), older_.back()->model().digest.substr(0, 12));
  for (const auto& service : older_) {
    service->retire_unregistered(options_.drain_timeout, std::string(kReplaced));
  }
  for (const auto& known : finder_.links()) newest_->add_link(known.link, known.to, known.parked);
}

void WorkerRunner::end_reload() {
  reloading_ = false;
  if (std::exchange(reload_again_, false)) reload("asked for meanwhile");
}

void WorkerRunner::on_registered(ModelService& service, LinkId link,
                                 const std::string& manager_id) {
  finder_.on_registered(link, manager_id);
  if (&service != newest_.get() || stopping_) return;
  for (const auto& older : older_) {
    older->retire(link, options_.drain_timeout, std::string(kReplaced));
  }
}

void WorkerRunner::on_lost(ModelService&, LinkId link) {
  const auto all = services();
  const bool elsewhere = std::any_of(
      all.begin(), all.end(), [&](const ModelService* each) { return each->registered(link); });
  if (!elsewhere) finder_.on_lost(link);
}

void WorkerRunner::on_refused(ModelService& service, LinkId, const proto::Refuse& refuse) {
  if (&service != newest_.get()) return;
  if (older_.empty()) {
    if (service.refused_by_all() && finder_.complete()) {
      leave(3, "every manager refuses this worker; the last one said: " + refuse.reason);
    }
    return;
  }
  spdlog::warn(
      "new_model_refused model={} digest={} reason={} action=\"the old model goes on there\"",
      log_text(service.model().name), service.model().digest.substr(0, 12),
      log_text(refuse.reason));
}

void WorkerRunner::unload(std::unique_ptr<ModelService> service) {
  past_ += service->counters();
  past_reconnects_ += service->reconnects();
  Unloading& entry = unloading_.emplace_back();
  entry.service = std::move(service);
  const auto self = std::prev(unloading_.end());
  // Waits for a thread that is inside the engine, which may last.
  entry.thread = std::thread([this, self, &entry] {
    entry.service->stop_computing();
    asio::post(io_, [this, self] {
      const ModelDescription& model = self->service->model();
      spdlog::info("model_unloaded model={} digest={}", log_text(model.name),
                   model.digest.substr(0, 12));
      self->thread.join();
      unloading_.erase(self);
    });
  });
}

void WorkerRunner::unload_those_that_left() {
  if (stopping_ || exit_) return;  // all leave
  for (auto each = older_.begin(); each != older_.end();) {
    if ((*each)->left() && (*each)->links_stopped()) {
      unload(std::move(*each));
      each = older_.erase(each);
    } else {
      ++each;
    }
  }
}

// ---- leaving ----------------------------------------------------------------------------------

void WorkerRunner::request_stop(std::string reason) {
  asio::post(io_, [this, reason = std::move(reason)]() mutable { stop(std::move(reason)); });
}

void WorkerRunner::stop(std::string reason) {
  if (exit_ || stopping_) return;
  stopping_ = true;
  finder_.stop();
  spdlog::info("worker_draining reason={} timeout_ms={}", log_text(reason),
               options_.drain_timeout.count());
  for (ModelService* service : services()) service->drain(options_.drain_timeout, reason);
}

void WorkerRunner::on_left(ModelService&, int code, const std::string& reason) {
  const auto all = services();
  const bool none_left =
      std::all_of(all.begin(), all.end(), [](const ModelService* each) { return each->left(); });
  if (code != 0 || none_left) return leave(code, reason);
  asio::post(io_, [this] { unload_those_that_left(); });  // not from inside its own call
}

void WorkerRunner::leave(int code, std::string reason) {
  if (exit_) return;
  exit_ = WorkerExit{code, std::move(reason), false};
  finder_.stop();
  for (ModelService* service : services()) service->stop_links();
  finish_if_stopped();
}

void WorkerRunner::on_link_stopped(ModelService&) {
  if (exit_) return finish_if_stopped();
  asio::post(io_, [this] { unload_those_that_left(); });
}

void WorkerRunner::finish_if_stopped() {
  if (!exit_) return;
  const auto all = services();
  if (std::all_of(all.begin(), all.end(),
                  [](const ModelService* each) { return each->links_stopped(); })) {
    io_.stop();
  }
}

void WorkerRunner::await_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int number) {
    if (error) return;
    if (number == SIGHUP) {
      reload("SIGHUP");
      return await_signal();
    }
    if (exit_ || stopping_) {  // the second one
      if (!exit_) exit_ = WorkerExit{1, "a second signal", false};
      io_.stop();
      return;
    }
    stop(number == SIGTERM ? "SIGTERM" : "SIGINT");
    await_signal();
  });
}

}  // namespace imgrec::worker
