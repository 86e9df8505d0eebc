// One shard: a manager with its storage, its clients, its network, and what is true about it.
// A schedule has one or several, which share nothing but the workers.
//
// Thread rule: not shared; each schedule has its own.
// Owns: its parts. Borrows the world and the plan.
#pragma once

#include <string>
#include <vector>

#include "tests/simulation/network.h"
#include "tests/simulation/sim_clients.h"
#include "tests/simulation/sim_manager.h"
#include "tests/simulation/truth.h"

namespace imgrec::simulation {

class SimShard {
 public:
  SimShard(World& world, std::vector<WorkerTruth>& workers, const SchedulePlan& plan, Mutant mutant,
           unsigned number)
      : number_(number),
        truth_(workers, plan.shards > 1 ? "[shard " + std::to_string(number) + "] " : ""),
        network_(world),
        manager_(world, truth_, network_, plan, mutant, number),
        clients_(world, truth_, plan, manager_, number) {}

  unsigned number() const { return number_; }
  Truth& truth() { return truth_; }
  Network& network() { return network_; }
  SimManager& manager() { return manager_; }
  SimClients& clients() { return clients_; }

  bool settled() const {
    return clients_.finished() && manager_.serves() && manager_.storage().open_rows() == 0 &&
           manager_.core()->open_images() == 0;
  }

 private:
  const unsigned number_;
  Truth truth_;
  Network network_;
  SimManager manager_;
  SimClients clients_;
};

}  // namespace imgrec::simulation
