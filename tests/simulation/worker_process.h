// One worker process: the real WorkerCore, a link to each shard's manager, in a shell like
// worker/net (runner, service, compute pool), around a model of the computing.
//
// Thread rule: not shared; each schedule has its own. It stays in its place to the end of the
// schedule, because its alarms point to it.
// Owns: its core, its links. Borrows its worker.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "tests/simulation/sim_worker.h"
#include "tests/simulation/worker_link.h"
#include "worker/core/worker_core.h"

namespace imgrec::simulation {

inline constexpr std::chrono::milliseconds kDrainTime{1'500};  // SIGTERM to the end

class WorkerProcess {
 public:
  WorkerProcess(SimWorker& worker, unsigned number);

  void start();
  void kill();
  void freeze(TimePoint until);
  void drain();

  bool ended() const { return ended_; }
  // Stands still, or has an inference in hand for longer than the supervisor allows.
  bool hung() const;
  Connection* connection(unsigned shard) { return links_[shard]->connection(); }

  // ---- what its links need ----
  void apply(worker::Event event);
  bool serving() const { return core_.state() == worker::WorkerState::kServing; }
  proto::Load load() const { return core_.load(); }
  // By one of its managers. With no other it leaves.
  void refused_for_good();
  // Runs it now, or when a frozen process goes on; never in one that has ended.
  void when_running(EventLoop::Callback what);

 private:
  struct Picture;
  using WorkId = worker::WorkId;

  // ---- the core, as in model_service.cpp ----
  void carry_out(worker::StartPrepare& action);
  void carry_out(worker::StartInfer& action);
  void carry_out(worker::SendOutcome& action);
  void carry_out(worker::SendFail& action);
  void carry_out(worker::SendDrain& action);
  void carry_out(worker::SendBye& action);
  void carry_out(worker::Leave& action);
  void leave();
  WorkerLink& link(worker::LinkId id) { return *links_[id.value - 1]; }

  // ---- computing ----
  void prepared(WorkId work, const proto::SharedBytes& image);
  void infer(const worker::StartInfer& action);
  worker::InferResult recognised(const proto::SharedBytes& image);

  bool frozen() const;

  SimWorker& worker_;
  World& world_;
  const WorkerPlan& plan_;
  worker::WorkerCore core_;
  Alarm core_alarm_;
  std::vector<std::unique_ptr<WorkerLink>> links_;  // one for each shard
  bool ended_ = false;
  TimePoint frozen_until_{};
  std::map<WorkId, TimePoint> inferring_;  // since when
};

}  // namespace imgrec::simulation
