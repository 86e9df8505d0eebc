#include "manager/core/worker_health.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;
using State = WorkerHealth::State;

constexpr WorkerHealth::TimePoint kNow{std::chrono::hours(1)};

void fail(WorkerHealth& health, unsigned times, WorkerHealth::TimePoint at = kNow) {
  for (unsigned i = 0; i < times; ++i) (void)health.on_failure(at);
}

TEST(WorkerHealth, AllowsOnlyTheMovesOfItsHeader) {
  const State all[] = {State::kGood, State::kEjected, State::kProbation};
  int allowed = 0;
  for (const State from : all) {
    for (const State to : all) allowed += WorkerHealth::transition_allowed(from, to) ? 1 : 0;
  }
  EXPECT_EQ(allowed, 4);
  EXPECT_TRUE(WorkerHealth::transition_allowed(State::kGood, State::kEjected));
  EXPECT_TRUE(WorkerHealth::transition_allowed(State::kEjected, State::kProbation));
  EXPECT_TRUE(WorkerHealth::transition_allowed(State::kProbation, State::kGood));
  EXPECT_TRUE(WorkerHealth::transition_allowed(State::kProbation, State::kEjected));
}

TEST(WorkerHealth, ThreeFailuresInARowEject) {
  WorkerHealth health;
  EXPECT_FALSE(health.on_failure(kNow));
  EXPECT_FALSE(health.on_failure(kNow));
  health.on_success();
  EXPECT_FALSE(health.on_failure(kNow));
  EXPECT_FALSE(health.on_failure(kNow));
  EXPECT_TRUE(health.on_failure(kNow));
  EXPECT_TRUE(health.ejected());
  EXPECT_EQ(health.ejected_until(), kNow + 1s);
  EXPECT_FALSE(health.on_failure(kNow)) << "once is enough";
}

TEST(WorkerHealth, ComesBackOnProbationAndIsTrustedAgain) {
  WorkerHealth health;
  fail(health, 3);
  health.on_probation_begins();
  EXPECT_TRUE(health.on_probation());
  health.on_success();
  health.on_success();
  EXPECT_TRUE(health.on_probation());
  health.on_success();
  EXPECT_EQ(health.state(), State::kGood);
  EXPECT_TRUE(health.spotless());
}

TEST(WorkerHealth, OneFailureOnProbationEjectsForTwiceAsLong) {
  WorkerHealth health;
  fail(health, 3);
  std::chrono::milliseconds longest{};
  for (int i = 0; i < 10; ++i) {
    health.on_probation_begins();
    EXPECT_TRUE(health.on_failure(kNow));
    if (i < 4) {
      EXPECT_EQ(health.ejected_until(), kNow + 1s * (2 << i));
    }
    longest = std::chrono::duration_cast<std::chrono::milliseconds>(health.ejected_until() - kNow);
  }
  EXPECT_EQ(longest, WorkerHealth::kLongestEjection);
}

}  // namespace
}  // namespace imgrec::manager
