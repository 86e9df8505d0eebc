// One worker of the simulation: a place where a worker process runs, with a supervisor that starts
// it again when it has ended, and kills it when it hangs.
//
// Thread rule: not shared; each schedule has its own.
// Owns: its cables, and its processes, ended ones too, to the end of the schedule.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/network.h"
#include "tests/simulation/truth.h"

namespace imgrec::simulation {

class SimShard;
class WorkerProcess;
using Shards = std::vector<std::unique_ptr<SimShard>>;

class SimWorker {
 public:
  SimWorker(World& world, const Shards& shards, const SchedulePlan& plan, unsigned number);
  ~SimWorker();

  void start();

  // ---- faults ----
  void crash(const std::string& why);
  // Stands still for so long, SIGSTOP; the supervisor may kill it before.
  void freeze(Duration time);
  // The next inference lasts so much longer; the supervisor may kill it before.
  void hang_next_inference(Duration time);
  void slow_down(double factor, TimePoint until);
  void drain();

  // The end of the fault phase: nothing new goes wrong.
  void heal();

  unsigned number() const { return number_; }
  Cable& cable(unsigned shard) { return cables_[shard]; }
  Connection* connection(unsigned shard);  // nullptr: none at present
  // At this instant it has begun something that will not end by itself.
  void hangs();
  // By its own decision (drained, or failing on purpose).
  void on_exit();

  // What its processes need.
  World& world() { return world_; }
  const Shards& shards() const { return shards_; }
  const SchedulePlan& plan() const { return plan_; }
  const WorkerPlan& own() const { return plan_.workers[number_]; }
  // How long this inference takes, with what goes wrong with it.
  Duration inference_time();

 private:
  WorkerProcess* process() { return processes_.empty() ? nullptr : processes_.back().get(); }
  bool running();
  void start_later();
  void disturb(TimePoint until);

  World& world_;
  const Shards& shards_;
  const SchedulePlan& plan_;
  const unsigned number_;
  std::vector<Cable> cables_;                              // one to each shard
  std::vector<std::unique_ptr<WorkerProcess>> processes_;  // the last one may run
  Duration hang_next_{};
  double slow_factor_ = 1;
  TimePoint slow_until_{};
};

}  // namespace imgrec::simulation
