// Faults that come from outside: draws when they come, whom they hit and how hard.
//
// Thread rule: not shared; each schedule has its own.
// Owns: nothing; borrows the parties.
#pragma once

#include <memory>
#include <vector>

#include "tests/simulation/plan.h"
#include "tests/simulation/sim_manager.h"
#include "tests/simulation/sim_worker.h"
#include "tests/simulation/world.h"

namespace imgrec::simulation {

class FaultInjector {
 public:
  FaultInjector(World& world, Truth& truth, const SchedulePlan& plan, SimManager& manager,
                std::vector<std::unique_ptr<SimWorker>>& workers)
      : world_(world), truth_(truth), plan_(plan), manager_(manager), workers_(workers) {}

  // Each kind again and again, until the fault phase ends.
  void start();

 private:
  void schedule(const InjectionPlan& injection);
  void inject(Injection kind);
  void hit_connection(Injection kind, SimWorker& worker, Connection& connection);
  void hit_worker(Injection kind, SimWorker& worker);
  void hit_manager(Injection kind);
  void told(const SimWorker& worker, const char* what);

  World& world_;
  Truth& truth_;
  const SchedulePlan& plan_;
  SimManager& manager_;
  std::vector<std::unique_ptr<SimWorker>>& workers_;
};

}  // namespace imgrec::simulation
