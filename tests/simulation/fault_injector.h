// Faults that come from outside: draws when they come, whom they hit and how hard.
//
// Thread rule: not shared; each schedule has its own.
// Owns: nothing; borrows the parties.
#pragma once

#include <memory>
#include <vector>

#include "tests/simulation/plan.h"
#include "tests/simulation/sim_shard.h"
#include "tests/simulation/sim_worker.h"
#include "tests/simulation/world.h"

namespace imgrec::simulation {

class FaultInjector {
 public:
  FaultInjector(World& world, const SchedulePlan& plan, const Shards& shards,
                std::vector<std::unique_ptr<SimWorker>>& workers)
      : world_(world), plan_(plan), shards_(shards), workers_(workers) {}

  // Each kind again and again, until the fault phase ends.
  void start();

 private:
  void schedule(const InjectionPlan& injection);
  void inject(Injection kind);
  void hit_connection(Injection kind, SimWorker& worker, Connection& connection);
  void hit_worker(Injection kind, SimWorker& worker);
  void hit_cable(Injection kind, SimWorker& worker, Cable& cable, Duration time);
  void hit_manager(Injection kind);
  unsigned any_shard() { return static_cast<unsigned>(world_.random.below(shards_.size())); }
  void disturb(const SimWorker& worker, TimePoint until);
  void told(const SimWorker& worker, const char* what);

  World& world_;
  const SchedulePlan& plan_;
  const Shards& shards_;
  std::vector<std::unique_ptr<SimWorker>>& workers_;
};

}  // namespace imgrec::simulation
