// One worker process: the real WorkerCore and a real WorkerSession for each connection, in a shell
// like worker/net (runner, link, compute pool), around a model of the computing.
//
// Thread rule: not shared; each schedule has its own. It stays in its place to the end of the
// schedule, because its alarms point to it.
// Owns: its core, its session. Borrows its worker and the connection.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/session.h"
#include "tests/simulation/liar.h"
#include "tests/simulation/sim_worker.h"
#include "worker/core/worker_core.h"
#include "worker/net/backoff.h"

namespace imgrec::simulation {

inline constexpr std::chrono::milliseconds kDrainTime{1'500};  // SIGTERM to the end

class WorkerProcess final : public Endpoint {
 public:
  WorkerProcess(SimWorker& worker, unsigned number);

  void start();
  void kill();
  void freeze(TimePoint until);
  void drain();

  bool ended() const { return ended_; }
  // Stands still, or has an inference in hand for longer than the supervisor allows.
  bool hung() const;
  Connection* connection() { return session_ ? connection_ : nullptr; }

  void on_bytes(std::string_view bytes) override;
  void on_end(std::string_view why) override;
  bool session_over() const override;

 private:
  struct Picture;
  using Key = std::pair<JobId, std::uint32_t>;
  using WorkId = worker::WorkId;

  // ---- the core, as in worker_runner.cpp ----
  void apply(worker::Event event);
  void carry_out(worker::StartPrepare& action);
  void carry_out(worker::StartInfer& action);
  void carry_out(worker::SendOutcome& action);
  void carry_out(worker::SendFail& action);
  void carry_out(worker::SendDrain& action);
  void carry_out(worker::SendBye& action);
  void carry_out(worker::Leave& action);
  void check_answer(JobId job, std::uint32_t attempt);
  void say(proto::Message answer);
  void leave();

  // ---- computing ----
  void prepared(WorkId work, const proto::SharedBytes& image);
  void infer(WorkId work, const proto::SharedBytes& image);

  // ---- the link, as in manager_link.cpp ----
  void connect();
  void connected(Connection* connection);
  void pump();
  void handle(proto::Message message);
  void close_connection();
  void reconnect_later();
  void on_link_alarm();

  // Runs it now, or when a frozen process goes on; never in one that has ended.
  void when_running(EventLoop::Callback what);
  bool frozen() const;

  SimWorker& worker_;
  World& world_;
  const WorkerPlan& plan_;
  proto::Hello hello_;
  worker::WorkerCore core_;
  worker::Backoff backoff_;
  std::optional<Liar> liar_;
  Alarm core_alarm_;
  Alarm link_alarm_;
  Connection* connection_ = nullptr;
  std::optional<proto::WorkerSession> session_;  // none: not connected
  std::optional<proto::Refuse> refusal_;
  bool registered_ = false;
  bool stopping_ = false;  // connects no more
  bool pumping_ = false;
  bool ended_ = false;
  TimePoint frozen_until_{};
  std::map<WorkId, TimePoint> inferring_;  // since when
  std::map<Key, unsigned> asked_;  // on this connection: how often, less answers and cancels
};

}  // namespace imgrec::simulation
