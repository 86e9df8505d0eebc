// The manager process of the simulation: the real ManagerCore and a real ManagerSession for each
// connection, in a shell like manager/app/control and manager/net, around a model of the storage.
// It can be killed, and started again on what is durable.
//
// Thread rule: not shared; each schedule has its own.
// Owns: the present life, its connections, the storage.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "manager/core/manager_core.h"
#include "proto/session.h"
#include "tests/simulation/core_checker.h"
#include "tests/simulation/network.h"
#include "tests/simulation/sim_storage.h"

namespace imgrec::simulation {

class SimManager {
 public:
  SimManager(World& world, Truth& truth, Network& network, const SchedulePlan& plan, Mutant mutant,
             unsigned shard);
  ~SimManager();

  void start();
  void crash(Duration down);
  // SIGTERM, and a new one `down` later.
  void restart(std::chrono::milliseconds grace, Duration down);
  // SIGTERM for good.
  void shut_down(std::chrono::milliseconds grace);

  bool running() const { return life_ != nullptr; }
  bool serves() const { return running() && !leaving_; }  // takes requests
  unsigned life() const { return lives_; }
  const manager::ManagerCore* core() const;  // nullptr: not running
  std::size_t attempts_out() const;
  SimStorage& storage() { return storage_; }
  const SimStorage& storage() const { return storage_; }

  // HTTP. The answers come when they would, or never where the manager dies.
  // REQUIRES: serves().
  void upload(std::vector<SimStorage::NewImage> images,
              const SimStorage::Done<std::vector<manager::ImageRecord>>& answered);
  void remove(JobId job, std::function<void(Status)> answered);

 private:
  class WorkerConnection;
  struct Life;
  friend class WorkerConnection;

  Endpoint* accept(Connection& connection);
  void end_life();
  void schedule_start(Duration down);

  void apply(manager::CoreEvent event);
  bool filtered(const manager::CoreAction& action);
  void perform(const manager::AssignJob& action);
  void perform(const manager::CancelAttempt& action);
  void perform(const manager::DropReport& action);
  void perform(const manager::WelcomeWorker& action);
  void perform(const manager::RefuseWorker& action);
  void perform(const manager::DrainWorker& action);
  void perform(const manager::DismissWorker& action);
  void perform(const manager::RememberModel& action);
  void perform(const manager::StoreSettlement& action);
  void perform(const manager::AnnounceState&) {}
  void perform(const manager::AnnounceSettled& action);
  void perform(const manager::AnnounceRemoved&) {}
  void perform(const manager::FinishShutdown& action);
  void send_assignment(const manager::AssignJob& action, const Result<proto::SharedBytes>& bytes);
  void settle_again(const manager::DropReport& action);
  WorkerConnection* find(WorkerId worker);

  World& world_;
  Truth& truth_;
  const SchedulePlan& plan_;
  const Mutant mutant_;
  const std::string id_;  // kept with the data: the same in every life, and no other shard's
  SimStorage storage_;
  std::unique_ptr<Life> life_;
  unsigned lives_ = 0;
  bool leaving_ = false;
  std::optional<Duration> down_after_leaving_;
  Alarm alarm_;
  std::vector<std::unique_ptr<WorkerConnection>> connections_;  // of all lives: alarms point there
};

}  // namespace imgrec::simulation
