// One worker of the simulation: a place where a worker process runs, with a supervisor that starts
// it again when it has ended, and kills it when it hangs.
//
// Thread rule: not shared; each schedule has its own.
// Owns: its cable, and its processes, ended ones too, to the end of the schedule.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/network.h"
#include "tests/simulation/truth.h"

namespace imgrec::simulation {

class WorkerProcess;

class SimWorker {
 public:
  SimWorker(World& world, Truth& truth, Network& network, const SchedulePlan& plan,
            unsigned number);
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
  Cable& cable() { return cable_; }
  Connection* connection();  // nullptr: none at present
  // At this instant it has begun something that will not end by itself.
  void hangs();
  // By its own decision (drained, or failing on purpose).
  void on_exit();

  // What its processes need.
  World& world() { return world_; }
  Truth& truth() { return truth_; }
  Network& network() { return network_; }
  const SchedulePlan& plan() const { return plan_; }
  const WorkerPlan& own() const { return plan_.workers[number_]; }
  // How long this inference takes, with what goes wrong with it.
  Duration inference_time();

 private:
  WorkerProcess* process() { return processes_.empty() ? nullptr : processes_.back().get(); }
  bool running();
  void start_later();

  World& world_;
  Truth& truth_;
  Network& network_;
  const SchedulePlan& plan_;
  const unsigned number_;
  Cable cable_;
  std::vector<std::unique_ptr<WorkerProcess>> processes_;  // the last one may run
  Duration hang_next_{};
  double slow_factor_ = 1;
  TimePoint slow_until_{};
};

}  // namespace imgrec::simulation
