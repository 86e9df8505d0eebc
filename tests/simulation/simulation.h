// One seed, one schedule, one result.
//
// Thread rule: run_schedule may run on many threads at once; they share nothing.
// Owns: nothing that outlives the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/faults.h"
#include "tests/simulation/world.h"

namespace imgrec::simulation {

struct ScheduleResult {
  std::uint64_t seed = 0;
  std::string violation;  // empty: none
  FaultSet faults;        // that happened
  std::uint64_t story_sum = 0;
  std::uint64_t events = 0;
  std::size_t images = 0;
  std::string plan;                 // in words
  std::vector<std::string> story;   // the newest lines, where they were asked for
  std::size_t story_forgotten = 0;  // lines before these
};

ScheduleResult run_schedule(std::uint64_t seed, Mutant mutant, std::size_t story_lines);

}  // namespace imgrec::simulation
