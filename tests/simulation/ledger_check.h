// The reckoning at the end of a schedule: what the store holds, against what is true.
//
// Thread rule: a plain function. Owns nothing.
#pragma once

#include "tests/simulation/plan.h"
#include "tests/simulation/sim_storage.h"
#include "tests/simulation/truth.h"
#include "tests/simulation/world.h"

namespace imgrec::simulation {

// accepted = done + failed + deleted; each settled once, and shown; each answer its own image's;
// each failure explained. `last_life`: of the manager that runs at the end.
void check_ledger(World& world, const Truth& truth, const SchedulePlan& plan,
                  const SimStorage& storage, unsigned last_life);

}  // namespace imgrec::simulation
