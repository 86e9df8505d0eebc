// Many seeds on several threads, and what came of them.
//
// Thread rule: run_campaign starts its threads and waits for them.
// Owns: the tallies.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/faults.h"
#include "tests/simulation/world.h"

namespace imgrec::simulation {

struct CampaignOptions {
  std::uint64_t first = 1;
  std::uint64_t seeds = 20'000;
  unsigned jobs = 1;
  Mutant mutant = Mutant::kNone;
  std::size_t stop_after = 10;  // violations; what is running then is finished
};

struct Failure {
  std::uint64_t seed = 0;
  std::string violation;
  friend auto operator<=>(const Failure&, const Failure&) = default;
};

struct CampaignResult {
  std::uint64_t seeds = 0;  // that ran
  std::uint64_t images = 0;
  std::uint64_t events = 0;
  std::uint64_t story_sum = 0;                          // over all stories, in any order
  std::uint64_t repeated = 0;                           // of the seeds: run twice, with one story
  std::vector<Failure> failed;                          // seeds with a violation, the lowest first
  std::vector<std::uint64_t> not_repeatable;            // their second story was another one
  std::array<std::uint64_t, kFaults> schedules_with{};  // each fault
  std::chrono::duration<double> took{};
};

CampaignResult run_campaign(const CampaignOptions& options);

}  // namespace imgrec::simulation
