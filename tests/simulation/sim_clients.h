// The people who upload to one shard: they send their batches at their times, try again where they
// are refused, and delete some images. What got its 202 is noted in the truth.
//
// Thread rule: not shared; each schedule has its own.
// Owns: nothing; borrows the manager and the plan.
#pragma once

#include <cstddef>

#include "tests/simulation/plan.h"
#include "tests/simulation/sim_manager.h"
#include "tests/simulation/world.h"

namespace imgrec::simulation {

class SimClients {
 public:
  SimClients(World& world, Truth& truth, const SchedulePlan& plan, SimManager& manager,
             unsigned shard)
      : world_(world), truth_(truth), plan_(plan), manager_(manager), shard_(shard) {}

  void start();
  // Every upload has been answered, or lost with its manager; every delete the same.
  bool finished() const { return unfinished_ == 0; }

 private:
  void upload(const BatchPlan& batch);
  void accepted(const BatchPlan& batch, const std::vector<manager::ImageRecord>& images);
  void remove(JobId job);
  void try_upload_later(const BatchPlan& batch);
  void try_remove_later(JobId job);

  World& world_;
  Truth& truth_;
  const SchedulePlan& plan_;
  SimManager& manager_;
  const unsigned shard_;
  std::size_t unfinished_ = 0;
};

}  // namespace imgrec::simulation
