// Second copies of slow attempts.
#include <gtest/gtest.h>

#include "tests/unit/manager_core/scheduler_fixture.h"

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;
using proto::CancelReason;

class SchedulerHedge : public SchedulerStory {
 protected:
  SchedulerHedge() : SchedulerStory(SchedulerOptions{}) {}

  // Two measured, idle workers, and a budget of `copies`.
  void given_two_workers(int copies) {
    a_ = given_worker(64);
    b_ = given_worker(64);
    for (int i = 0; i < copies * 20; i += 2) {
      const JobId one = when_job_added();
      const JobId two = when_job_added();
      pass(100ms);
      when_succeeds(worker_of(one), one);
      when_succeeds(worker_of(two), two);
    }
  }
  WorkerId other(WorkerId worker) const { return worker == a_ ? b_ : a_; }

  WorkerId a_, b_;
};

TEST_F(SchedulerHedge, CopiesAnAttemptThatIsLateToAnIdleWorker) {
  given_two_workers(1);
  const JobId job = when_job_added();
  const WorkerId late = worker_of(job);
  pass(100ms);
  EXPECT_TRUE(scheduler_.next_deadline().has_value());
  when_next_deadline_comes();
  EXPECT_EQ(only<AssignJob>().job, job);
  EXPECT_EQ(only<AssignJob>().worker, other(late));
  EXPECT_EQ(only<AssignJob>().attempt, 2u);
  EXPECT_EQ(scheduler_.counters().hedged, 1u);
  EXPECT_EQ(scheduler_.counters().timed_out, 0u) << "well before it would time out";
  EXPECT_EQ(scheduler_.counters().resent, 0u);
}

TEST_F(SchedulerHedge, TheFirstAnswerWinsAndTheLoserIsCancelled) {
  given_two_workers(1);
  const JobId job = when_job_added();
  const WorkerId late = worker_of(job);
  when_next_deadline_comes();
  ASSERT_EQ(scheduler_.counters().hedged, 1u);
  when_succeeds(other(late), job, 2);
  EXPECT_EQ(only<SettleDone>().worker, other(late));
  EXPECT_EQ(only<CancelAttempt>().worker, late);
  EXPECT_EQ(only<CancelAttempt>().reason, CancelReason::kSettledElsewhere);
  EXPECT_EQ(scheduler_.counters().hedges_won, 1u);
  when_succeeds(late, job, 1);
  EXPECT_EQ(only<DropReport>().worker, late);
}

// Found by the simulation.
TEST_F(SchedulerHedge, ACopyOfWhatMayHaveKilledAWorkerStaysApartFromItsNeighbour) {
  given_two_workers(1);
  const JobId copied = when_job_added();
  when_next_deadline_comes();
  ASSERT_EQ(scheduler_.counters().hedged, 1u);
  const JobId neighbour = when_job_added();
  const WorkerId dead = worker_of(neighbour);
  when_worker_leaves(dead);  // of either
  EXPECT_FALSE(scheduler_.job(neighbour)->assigned) << "the other worker has the copy";
  when_succeeds(other(dead), copied, dead == b_ ? 1 : 2);
  EXPECT_EQ(worker_of(neighbour), other(dead));
}

TEST_F(SchedulerHedge, AnOriginalThatIsFirstWinsToo) {
  given_two_workers(1);
  const JobId job = when_job_added();
  const WorkerId late = worker_of(job);
  when_next_deadline_comes();
  when_succeeds(late, job, 1);
  EXPECT_EQ(only<SettleDone>().worker, late);
  EXPECT_EQ(only<CancelAttempt>().worker, other(late));
  EXPECT_EQ(scheduler_.counters().hedges_won, 0u);
}

TEST_F(SchedulerHedge, StaysWithinItsBudget) {
  given_two_workers(1);
  // A budget of one and the two at first, and 19 assignments do not make another.
  for (int i = 0; i < 19; ++i) {
    const JobId job = when_job_added();
    const WorkerId late = worker_of(job);
    pass(400ms);
    happen(Tick{});
    when_succeeds(late, job, 1);
  }
  EXPECT_EQ(scheduler_.counters().hedged, 3u);
}

TEST_F(SchedulerHedge, CopiesSoonAfterTheStartToo) {
  given_two_workers(0);
  const JobId one = when_job_added();
  const JobId two = when_job_added();
  pass(100ms);
  when_succeeds(worker_of(one), one);
  when_succeeds(worker_of(two), two);
  when_job_added();
  when_next_deadline_comes();
  EXPECT_EQ(scheduler_.counters().hedged, 1u) << "nothing could be saved up yet";
}

TEST_F(SchedulerHedge, OnlyIdleWorkersGetCopies) {
  given_two_workers(3);
  const JobId job = when_job_added();
  const WorkerId late = worker_of(job);
  const JobId plug = when_job_added();
  ASSERT_EQ(worker_of(plug), other(late));
  pass(400ms);
  happen(Tick{});
  EXPECT_TRUE(all<AssignJob>().empty()) << "it has credit, but something to do";
  when_succeeds(other(late), plug);
  EXPECT_EQ(only<AssignJob>().job, job);
}

TEST_F(SchedulerHedge, JobsThatWaitGoFirst) {
  given_two_workers(3);
  const JobId job = when_job_added();
  const WorkerId late = worker_of(job);
  pass(400ms);
  const JobId fresh = when_job_added();
  EXPECT_EQ(only<AssignJob>().job, fresh);
  EXPECT_EQ(worker_of(fresh), other(late));
}

TEST_F(SchedulerHedge, CopiesAnAttemptOnASlowWorkerAsSoonAsAFastOneIsIdle) {
  const WorkerId slow = given_measured_worker(1000ms, 8);
  const JobId first = when_job_added();
  const JobId second = when_job_added();
  ASSERT_EQ(in_flight(slow), 2u);
  const WorkerId fast = given_measured_worker(10ms, 8);
  const TimePoint begin = now_;
  while (scheduler_.counters().hedged == 0 && now_ < begin + 900ms) {
    const JobId job = when_job_added();
    pass(10ms);
    if (worker_of(job) == fast) when_succeeds(fast, job);
  }
  EXPECT_EQ(scheduler_.counters().hedged, 1u) << "it is not late: it is slow";
  EXPECT_EQ(worker_of(second), fast) << "the one whose answer is furthest away";
  EXPECT_EQ(worker_of(first), slow);
}

TEST_F(SchedulerHedge, LosingTheCopyChangesNothing) {
  given_two_workers(1);
  const JobId job = when_job_added();
  const WorkerId late = worker_of(job);
  when_next_deadline_comes();
  when_worker_leaves(other(late));
  EXPECT_TRUE(all<AssignJob>().empty()) << "the original is still out";
  when_succeeds(late, job, 1);
  EXPECT_EQ(only<SettleDone>().job, job);
}

TEST_F(SchedulerHedge, LosingTheOriginalLeavesTheCopy) {
  given_two_workers(1);
  const JobId job = when_job_added();
  const WorkerId late = worker_of(job);
  when_next_deadline_comes();
  when_worker_leaves(late);
  EXPECT_TRUE(all<AssignJob>().empty()) << "the copy is out";
  when_succeeds(other(late), job, 2);
  EXPECT_EQ(only<SettleDone>().job, job);
}

}  // namespace
}  // namespace imgrec::manager
