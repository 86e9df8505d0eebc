#include "tests/simulation/worker_link.h"

#include <algorithm>
#include <variant>
#include <vector>

#include "tests/simulation/sim_shard.h"
#include "tests/simulation/worker_process.h"

namespace imgrec::simulation {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kWriteTimeout{3'000};
constexpr milliseconds kRefusedRetry{1'000};
constexpr std::size_t kMaxQueuedFrames = 8192;

}  // namespace

WorkerLink::WorkerLink(WorkerProcess& process, SimWorker& worker, SimShard& shard,
                       proto::Hello hello)
    : process_(process),
      worker_(worker),
      shard_(shard),
      world_(worker.world()),
      hello_(std::move(hello)),
      backoff_({milliseconds(50), milliseconds(1'000), milliseconds(1'000)},
               [this] { return world_.random.unit(); }),
      alarm_(world_.loop, [this] { process_.when_running([this] { on_alarm(); }); }) {
  if (!worker.own().lies.empty()) {
    liar_.emplace(world_, shard.truth(), worker.own(), worker.number());
  }
}

worker::LinkId WorkerLink::id() const { return worker::LinkId{shard_.number() + 1u}; }

void WorkerLink::kill() {
  alarm_.set(std::nullopt);
  if (!session_) return;
  connection_->to_worker.set_reader(nullptr);
  connection_->to_manager.break_off();
}

void WorkerLink::leave() { alarm_.set(std::nullopt); }

void WorkerLink::stall(TimePoint until) {
  if (session_) connection_->to_worker.stall(until);
}

// ---- what the core says -----------------------------------------------------------------------

void WorkerLink::answer(proto::Message answer, JobId job, std::uint32_t attempt) {
  check_answer(job, attempt);
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

// The core answers what was asked on this very connection, and each ASSIGN once at most.
void WorkerLink::check_answer(JobId job, std::uint32_t attempt) {
  const auto asked = asked_.find({job, attempt});
  if (asked == asked_.end() || asked->second == 0) {
    return world_.violate(shard_.truth().name + worker_name(worker_.number()) +
                          "'s core answers job " + std::to_string(job.value) + " attempt " +
                          std::to_string(attempt) +
                          ", which was not asked on this connection, or was answered or cancelled");
  }
  --asked->second;
}

void WorkerLink::send_drain(const proto::Drain& drain) {
  if (!session_) return;
  session_->send_drain(drain);
  pump();
}

void WorkerLink::send_bye(const std::string& reason) {
  if (!session_ || session_over()) return;
  session_->send_bye(reason);
  pump();
}

void WorkerLink::set_load(proto::Load load) {
  if (session_) session_->set_load(load);
}

// ---- the connection ---------------------------------------------------------------------------

void WorkerLink::connect() {
  shard_.network().connect(worker_.cable(shard_.number()), [this](Connection* connection) {
    if (process_.ended()) {
      if (connection != nullptr) connection->to_manager.break_off();
      return;
    }
    process_.when_running([this, connection] { connected(connection); });
  });
}

void WorkerLink::connected(Connection* connection) {
  if (connection == nullptr || stopping_) {
    if (connection != nullptr) connection->to_manager.break_off();
    return reconnect_later();
  }
  connection_ = connection;
  connection_->to_worker.set_reader(this);
  refusal_.reset();
  asked_.clear();
  session_.emplace(worker_.plan().worker_session, hello_, world_.now());
  session_->set_load(process_.load());
  pump();
}

void WorkerLink::on_bytes(std::string_view bytes) {
  if (!session_) return;
  session_->feed(bytes, world_.now());
  pump();
}

void WorkerLink::on_end(std::string_view why) {
  if (!session_) return;
  session_->on_disconnect(why);
  pump();
}

bool WorkerLink::session_over() const {
  return !session_ || session_->state() == proto::SessionState::kClosed;
}

void WorkerLink::pump() {
  if (pumping_ || process_.ended() || !session_) return;
  pumping_ = true;
  for (;;) {
    auto messages = session_->take_messages();
    if (messages.empty()) break;
    for (proto::Message& message : messages) {
      handle(std::move(message));
      if (process_.ended()) break;
    }
    if (process_.ended()) break;
  }
  pumping_ = false;
  for (const auto& frame : session_->take_output()) connection_->to_manager.write(frame);
  if (process_.ended()) {  // it left while it handled a message
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
  alarm_.set(next);
}

void WorkerLink::handle(proto::Message message) {
  if (const auto* welcome = std::get_if<proto::Welcome>(&message)) {
    registered_ = true;
    backoff_.registered(world_.now());
    // A liar's streams compute whatever it likes to say.
    const auto batch = liar_ ? world_.random.between(1, proto::kMaxBatch) : worker_.own().batch;
    session_->send_batch({static_cast<std::uint16_t>(batch)});
    process_.apply(worker::LinkUp{id(), welcome->manager_id});
  } else if (const auto* refuse = std::get_if<proto::Refuse>(&message)) {
    refusal_ = *refuse;
    if (!refuse->retry) process_.refused_for_good();
  } else if (auto* assign = std::get_if<proto::Assign>(&message)) {
    ++asked_[{assign->job, assign->attempt}];
    if (liar_) liar_->on_assign(*assign);
    process_.apply(worker::JobAssigned{id(), std::move(*assign)});
  } else if (const auto* cancel = std::get_if<proto::Cancel>(&message)) {
    handle(*cancel);
  } else if (std::holds_alternative<proto::Drain>(message)) {
    process_.apply(worker::ManagerDraining{id()});
  }
}

void WorkerLink::handle(const proto::Cancel& cancel) {
  // What the core gives up at this very moment (a deadline) is answered before the cancel counts.
  process_.apply(worker::AttemptCancelled{id(), cancel});
  for (auto asked = asked_.lower_bound({cancel.job, 0});
       asked != asked_.end() && asked->first.first == cancel.job &&
       asked->first.second <= cancel.attempt;
       ++asked) {
    asked->second = 0;
  }
  if (!liar_ || !session_) return;
  for (const auto& lie : liar_->on_cancel(cancel)) {
    session_->send_outcome(std::get<proto::Outcome>(lie));
  }
}

void WorkerLink::close_connection() {
  if (!session_->close_reason().ok()) {
    world_.tell({31, worker_.number()}, [&] {
      return shard_.truth().name + worker_name(worker_.number()) +
             " closes its connection: " + session_->close_reason().message();
    });
  }
  connection_->to_worker.set_reader(nullptr);
  connection_->to_manager.finish();
  session_.reset();
  connection_ = nullptr;
  if (std::exchange(registered_, false)) process_.apply(worker::LinkLost{id()});
  if (process_.ended()) return;
  if (!process_.serving()) stopping_ = true;
  reconnect_later();
}

void WorkerLink::reconnect_later() {
  if (stopping_) {  // nothing to wait for: the core has left, or its drain deadline ends it
    alarm_.set(std::nullopt);
    return;
  }
  milliseconds wait = backoff_.next(world_.now());
  if (refusal_) {
    wait += refusal_->retry ? std::min(refusal_->retry_after, milliseconds(2'000)) : kRefusedRetry;
    refusal_.reset();
  }
  alarm_.set(world_.now() + wait);
}

void WorkerLink::on_alarm() {
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
