#include "worker/net/worker_runner.h"

#include <csignal>
#include <random>
#include <type_traits>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "common/logging.h"

namespace imgrec::worker {
namespace asio = boost::asio;
namespace {

using Clock = std::chrono::steady_clock;

std::function<double()> system_random() {
  return [generator = std::mt19937_64(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<double>(0, 1)(generator);
  };
}

// 32 hex digits, new at each start: tells a restarted worker from a reconnected one.
std::string new_instance_id() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device device;
  std::string id;
  while (id.size() < 32) id += kDigits[device() & 15];
  return id;
}

WorkerRunnerOptions completed(WorkerRunnerOptions options) {
  if (!options.random) options.random = system_random();
  return options;
}

WorkerCoreOptions core_options(const WorkerRunnerOptions& options) {
  WorkerCoreOptions core;
  core.credit = options.credit;
  core.streams = options.streams;
  core.decode_ahead = options.streams;  // one for each stream that may get free
  core.cached_answers = options.cached_answers;
  core.fail_probability = options.fail_probability;
  core.random = options.random;
  return core;
}

proto::Hello make_hello(const WorkerRunnerOptions& options, const ModelDescription& model) {
  proto::Hello hello;
  hello.min_version = proto::kMinProtocolVersion;
  hello.max_version = proto::kMaxProtocolVersion;
  hello.name = options.name;
  hello.instance_id = new_instance_id();
  hello.model_name = model.name;
  hello.model_digest = model.digest;
  hello.labels = model.labels;
  hello.unsure_below = model.unsure_below;
  hello.streams = static_cast<std::uint16_t>(options.streams);
  hello.credit = static_cast<std::uint16_t>(options.credit);
  return hello;
}

}  // namespace

WorkerRunner::WorkerRunner(WorkerRunnerOptions options, Engine& engine)
    : options_(completed(std::move(options))),
      engine_(engine),
      work_guard_(asio::make_work_guard(io_)),
      signals_(io_),
      core_timer_(io_),
      core_(core_options(options_)),
      pool_(engine, {options_.streams, 1}, io_.get_executor(),
            [this](Event event) { apply(std::move(event)); }) {}

WorkerRunner::~WorkerRunner() = default;

WorkerExit WorkerRunner::run() {
  if (options_.handle_signals) {
    signals_.add(SIGTERM);
    signals_.add(SIGINT);
    await_signal();
  }
  spdlog::info("worker_warming_up model={} streams={}", log_text(engine_.model().name),
               options_.streams);
  pool_.start([this](const Status& status) {
    if (exit_) return;
    if (!status.ok()) return leave(1, "the engine cannot warm up: " + status.message());
    connect_all();
  });
  io_.run();
  exit_->abandoned_work = !pool_.idle();
  for (const auto& [id, link] : links_) exit_->abandoned_work |= link->resolving();
  const WorkerCounters& counters = core_.counters();
  spdlog::info(
      "worker_left code={} reason={} assigned={} done={} failed={} from_cache={} unwanted={}",
      exit_->code, log_text(exit_->reason), counters.assigned, counters.done, counters.failed,
      counters.from_cache, counters.unwanted);
  return *exit_;
}

void WorkerRunner::connect_all() {
  const proto::Hello hello = make_hello(options_, engine_.model());
  std::uint64_t next = 1;
  for (const ManagerEndpoint& endpoint : options_.managers) {
    const LinkId id{next++};
    const auto link = std::make_shared<ManagerLink>(io_, id, endpoint, hello, options_.link,
                                                    options_.random, *this);
    links_.emplace(id, link);
    link->start();
  }
}

// ---- the core ---------------------------------------------------------------------------------

void WorkerRunner::apply(Event event) {
  for (Action& action : core_.on_event(std::move(event), Clock::now())) {
    carry_out(std::move(action));
  }
  for (const auto& [id, link] : links_) link->set_load(core_.load());
  arm_core_timer();
}

void WorkerRunner::carry_out(Action action) {
  std::visit(
      [this](auto&& a) {
        using A = std::decay_t<decltype(a)>;
        if constexpr (std::is_same_v<A, StartPrepare>) {
          pool_.prepare(a.work, std::move(a.image));
        } else if constexpr (std::is_same_v<A, StartInfer>) {
          pool_.infer(a.work, std::move(a.image), a.top_k);
        } else if constexpr (std::is_same_v<A, Leave>) {
          leave(a.exit_code, std::move(a.reason));
        } else {
          ManagerLink& link = *links_.at(a.link);
          if constexpr (std::is_same_v<A, SendOutcome>) {
            spdlog::debug(
                "job_answered job={} attempt={} from_cache={} decode_us={} queue_us={} "
                "inference_us={}",
                a.outcome.job.value, a.outcome.attempt, a.outcome.from_cache,
                a.outcome.timing.decode.count(), a.outcome.timing.queue.count(),
                a.outcome.timing.inference.count());
            link.send_outcome(a.outcome);
          } else if constexpr (std::is_same_v<A, SendFail>) {
            spdlog::debug("job_failed job={} attempt={} code={} text={}", a.fail.job.value,
                          a.fail.attempt, static_cast<unsigned>(a.fail.code),
                          log_text(a.fail.text));
            link.send_fail(a.fail);
          } else if constexpr (std::is_same_v<A, SendDrain>) {
            link.send_drain(a.drain);
          } else {
            static_assert(std::is_same_v<A, SendBye>);
            link.send_bye(std::move(a.reason));
            if (core_.state() != WorkerState::kServing) link.stop();
          }
        }
      },
      std::move(action));
}

void WorkerRunner::arm_core_timer() {
  const auto deadline = core_.next_deadline();
  if (!deadline) {
    core_timer_.cancel();
    return;
  }
  core_timer_.expires_at(*deadline);
  core_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) apply(Tick{});
  });
}

// ---- the links --------------------------------------------------------------------------------

void WorkerRunner::on_registered(LinkId link, const proto::Welcome& welcome) {
  refused_for_good_.erase(link);
  apply(LinkUp{link, welcome.manager_id});
}

void WorkerRunner::on_message(LinkId link, proto::Message message) {
  if (auto* assign = std::get_if<proto::Assign>(&message)) {
    apply(JobAssigned{link, std::move(*assign)});
  } else if (const auto* cancel = std::get_if<proto::Cancel>(&message)) {
    apply(AttemptCancelled{link, *cancel});
  } else if (const auto* drain = std::get_if<proto::Drain>(&message)) {
    spdlog::info("manager_draining manager={} reason={}", links_.at(link)->endpoint().text(),
                 log_text(drain->reason));
    apply(ManagerDraining{link});
  }
}

void WorkerRunner::on_lost(LinkId link) {
  apply(LinkLost{link});
  if (core_.state() != WorkerState::kServing) links_.at(link)->stop();  // not to come back
}

void WorkerRunner::on_refused(LinkId link, const proto::Refuse& refuse) {
  if (refuse.retry) {
    refused_for_good_.erase(link);
    return;
  }
  refused_for_good_.insert(link);
  if (refused_for_good_.size() == links_.size()) {
    leave(3, "every manager refuses this worker; the last one said: " + refuse.reason);
  }
}

void WorkerRunner::on_stopped(LinkId) { finish_if_stopped(); }

// ---- leaving ----------------------------------------------------------------------------------

void WorkerRunner::request_stop(std::string reason) {
  asio::post(io_, [this, reason = std::move(reason)]() mutable { stop(std::move(reason)); });
}

void WorkerRunner::stop(std::string reason) {
  if (exit_ || core_.state() != WorkerState::kServing) return;
  spdlog::info("worker_draining reason={} timeout_ms={}", log_text(reason),
               options_.drain_timeout.count());
  for (const auto& [id, link] : links_) {
    if (!link->registered()) link->stop();
  }
  apply(DrainRequested{options_.drain_timeout, std::move(reason)});
}

void WorkerRunner::leave(int code, std::string reason) {
  if (exit_) return;
  exit_ = WorkerExit{code, std::move(reason), false};
  for (const auto& [id, link] : links_) link->stop();
  finish_if_stopped();
}

void WorkerRunner::finish_if_stopped() {
  if (!exit_) return;
  for (const auto& [id, link] : links_) {
    if (!link->stopped()) return;
  }
  io_.stop();
}

void WorkerRunner::await_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int number) {
    if (error) return;
    if (exit_ || core_.state() != WorkerState::kServing) {  // the second one
      if (!exit_) exit_ = WorkerExit{1, "a second signal", false};
      io_.stop();
      return;
    }
    stop(number == SIGTERM ? "SIGTERM" : "SIGINT");
    await_signal();
  });
}

}  // namespace imgrec::worker
