#include "worker/net/model_service.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include <boost/asio/post.hpp>
#include <malloc.h>
#include <spdlog/spdlog.h>

#include "common/logging.h"

namespace imgrec::worker {
namespace asio = boost::asio;
namespace {

using Clock = std::chrono::steady_clock;

WorkerCoreOptions core_options(const WorkerRunnerOptions& options, BatchSizes batches) {
  WorkerCoreOptions core;
  core.credit = options.credit;
  core.streams = options.streams;
  core.batches = std::move(batches);
  core.max_held_bytes = options.max_held_bytes;
  core.cached_answers = options.cached_answers;
  core.fail_probability = options.fail_probability;
  core.random = options.random;
  return core;
}

proto::Hello make_hello(const WorkerRunnerOptions& options, const std::string& instance_id,
                        const ModelDescription& model) {
  proto::Hello hello;
  hello.min_version = proto::kMinProtocolVersion;
  hello.max_version = proto::kMaxProtocolVersion;
  hello.name = options.name;
  hello.instance_id = instance_id;
  hello.model_name = model.name;
  hello.model_digest = model.digest;
  hello.labels = model.labels;
  hello.unsure_below = model.unsure_below;
  hello.streams = static_cast<std::uint16_t>(options.streams);
  hello.credit = static_cast<std::uint16_t>(options.credit);
  return hello;
}

}  // namespace

ModelService::ModelService(asio::io_context& io, const WorkerRunnerOptions& options,
                           std::string instance_id, std::shared_ptr<Engine> engine, Owner& owner)
    : io_(io),
      options_(options),
      instance_id_(std::move(instance_id)),
      owner_(owner),
      engine_(std::move(engine)),
      model_(engine_->model()),
      batch_(engine_->batches().largest()),
      core_timer_(io),
      core_(core_options(options, engine_->batches())),
      pool_(*engine_, {options.streams, 1}, io.get_executor(),
            [this](Event event) { apply(std::move(event)); }) {}

ModelService::~ModelService() = default;

void ModelService::warm_up(std::function<void(Status)> ready) {
  spdlog::info("worker_warming_up model={} digest={} streams={} batch={}", log_text(model_.name),
               model_.digest.substr(0, 12), options_.streams, batch_);
  pool_.start(std::move(ready));
}

void ModelService::add_link(LinkId id, const ManagerAddress& to, bool parked) {
  ManagerLink::Listener& listener = *this;
  const auto link =
      std::make_shared<ManagerLink>(io_, id, to, make_hello(options_, instance_id_, model_),
                                    options_.link, options_.random, listener);
  links_.emplace(id, link);
  link->set_load(core_.load());
  if (parked) link->park({});
  link->start();
}

void ModelService::remove_link(LinkId id) {
  const auto link = links_.find(id);
  if (link == links_.end() || !removed_.insert(id).second) return;
  link->second->stop();
}

void ModelService::park_link(LinkId id) {
  const auto link = links_.find(id);
  if (link != links_.end()) link->second->park("another connection of this worker leads here");
}

void ModelService::wake_link(LinkId id) {
  const auto link = links_.find(id);
  if (link != links_.end() && !retired_.contains(id)) link->second->wake();
}

bool ModelService::registered(LinkId id) const {
  const auto link = links_.find(id);
  return link != links_.end() && link->second->registered();
}

// ---- the core ---------------------------------------------------------------------------------

void ModelService::apply(Event event) {
  for (Action& action : core_.on_event(std::move(event), Clock::now())) {
    carry_out(std::move(action));
  }
  for (const auto& [id, link] : links_) link->set_load(core_.load());
  arm_core_timer();
}

void ModelService::carry_out(Action action) {
  std::visit(
      [this](auto&& a) {
        using A = std::decay_t<decltype(a)>;
        if constexpr (std::is_same_v<A, StartPrepare>) {
          pool_.prepare(a.work, std::move(a.image));
        } else if constexpr (std::is_same_v<A, StartInfer>) {
          pool_.infer(std::move(a));
        } else if constexpr (std::is_same_v<A, Leave>) {
          owner_.on_left(*this, a.exit_code, a.reason);
        } else {
          send(std::move(a));
        }
      },
      std::move(action));
}

void ModelService::send(SendOutcome action) {
  const proto::Outcome& outcome = action.outcome;
  spdlog::debug(
      "job_answered job={} attempt={} from_cache={} decode_us={} queue_us={} inference_us={}",
      outcome.job.value, outcome.attempt, outcome.from_cache, outcome.timing.decode.count(),
      outcome.timing.queue.count(), outcome.timing.inference.count());
  links_.at(action.link)->send_outcome(outcome);
}

void ModelService::send(SendFail action) {
  spdlog::debug("job_failed job={} attempt={} code={} text={}", action.fail.job.value,
                action.fail.attempt, static_cast<unsigned>(action.fail.code),
                log_text(action.fail.text));
  links_.at(action.link)->send_fail(action.fail);
}

void ModelService::send(SendDrain action) { links_.at(action.link)->send_drain(action.drain); }

void ModelService::send(SendBye action) {
  ManagerLink& link = *links_.at(action.link);
  link.send_bye(std::move(action.reason));
  if (!serving() || retired_.contains(action.link)) link.stop();
}

void ModelService::arm_core_timer() {
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

void ModelService::on_registered(LinkId link, const proto::Welcome& welcome) {
  refused_for_good_.erase(link);
  if (!registered_once_.insert(link).second) ++reconnects_;
  if (batch_ > 1) links_.at(link)->send_batch({static_cast<std::uint16_t>(batch_)});
  apply(LinkUp{link, welcome.manager_id});
  owner_.on_registered(*this, link, welcome.manager_id);
}

void ModelService::on_message(LinkId link, proto::Message message) {
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

void ModelService::on_lost(LinkId link) {
  apply(LinkLost{link});
  if (!serving() || retired_.contains(link)) links_.at(link)->stop();  // not to come back
  owner_.on_lost(*this, link);
}

void ModelService::on_refused(LinkId link, const proto::Refuse& refuse) {
  if (refuse.retry) {
    refused_for_good_.erase(link);
  } else {
    refused_for_good_.insert(link);
  }
  owner_.on_refused(*this, link, refuse);
}

// The link itself is calling, so it is let go of later.
void ModelService::on_stopped(LinkId link) {
  if (removed_.contains(link)) asio::post(io_, [this, link] { forget(link); });
  owner_.on_link_stopped(*this);
}

void ModelService::forget(LinkId link) {
  links_.erase(link);
  removed_.erase(link);
  retired_.erase(link);
  refused_for_good_.erase(link);
  registered_once_.erase(link);
}

void ModelService::add_to(WorkerStatus& status) const {
  const proto::Load load = core_.load();
  status.load.queued = static_cast<std::uint16_t>(status.load.queued + load.queued);
  status.load.running = static_cast<std::uint16_t>(status.load.running + load.running);
  for (const auto& [id, link] : links_) {
    if (link->parked()) continue;  // its manager has another entry
    const std::string manager = link->endpoint().text();
    auto entry = std::find_if(status.managers.begin(), status.managers.end(),
                              [&](const ManagerStatus& each) { return each.manager == manager; });
    if (entry == status.managers.end()) {
      entry = status.managers.insert(entry, ManagerStatus{manager});
    }
    entry->connected |= link->registered();
    entry->held += static_cast<unsigned>(core_.held(id));
  }
}

bool ModelService::refused_by_all() const {
  return !links_.empty() && refused_for_good_.size() == links_.size();
}

bool ModelService::links_stopped() const {
  return std::all_of(links_.begin(), links_.end(),
                     [](const auto& entry) { return entry.second->stopped(); });
}

// ---- leaving ----------------------------------------------------------------------------------

void ModelService::retire(LinkId id, std::chrono::milliseconds deadline,
                          const std::string& reason) {
  const auto link = links_.find(id);
  if (link == links_.end() || !retired_.insert(id).second) return;
  if (link->second->registered()) {
    apply(LinkRetired{id, deadline, reason});
  } else {
    link->second->stop();
  }
  if (retired_.size() == links_.size()) apply(DrainRequested{deadline, reason});
}

void ModelService::retire_unregistered(std::chrono::milliseconds deadline,
                                       const std::string& reason) {
  for (const auto& [id, link] : links_) {
    if (!link->registered()) retire(id, deadline, reason);
  }
  if (links_.empty()) apply(DrainRequested{deadline, reason});
}

void ModelService::drain(std::chrono::milliseconds deadline, const std::string& reason) {
  for (const auto& [id, link] : links_) {
    if (!link->registered()) link->stop();
  }
  apply(DrainRequested{deadline, reason});
}

void ModelService::stop_links() {
  for (const auto& [id, link] : links_) link->stop();
}

void ModelService::stop_computing() {
  pool_.stop();
  engine_.reset();
  // What a model's weights and plans leave lies between other things, and the allocator would keep
  // it: measured with GoogLeNet, a third of the worker's memory.
  ::malloc_trim(0);
}

}  // namespace imgrec::worker
