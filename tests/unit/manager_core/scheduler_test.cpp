#include "manager/core/scheduler.h"

#include <map>
#include <optional>

#include <gmock/gmock.h>

#include "tests/unit/manager_core/scheduler_fixture.h"

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;
using proto::CancelReason;
using proto::FailCode;
using ::testing::HasSubstr;

using SchedulerCredit = SchedulerStory;
using SchedulerChoice = SchedulerStory;
using SchedulerFairness = SchedulerStory;
using SchedulerLoss = SchedulerStory;
using SchedulerTimeout = SchedulerStory;
using SchedulerReports = SchedulerStory;
using SchedulerFailure = SchedulerStory;
using SchedulerQuarantine = SchedulerStory;
using SchedulerDrain = SchedulerStory;
using SchedulerCancel = SchedulerStory;

// ---- credit and waiting -------------------------------------------------------------------------

TEST_F(SchedulerCredit, KeepsJobsWaitingWhileThereIsNoWorker) {
  const JobId job = when_job_added();
  pass(24h);
  happen(Tick{});
  EXPECT_TRUE(actions_.empty());
  EXPECT_EQ(scheduler_.queued_jobs(), 1u);
  EXPECT_FALSE(scheduler_.next_deadline().has_value());
  const WorkerId worker = given_worker();
  EXPECT_EQ(only<AssignJob>().job, job);
  EXPECT_EQ(only<AssignJob>().worker, worker);
  EXPECT_EQ(only<AssignJob>().attempt, 1u);
}

TEST_F(SchedulerCredit, NeverAssignsMoreThanTheCredit) {
  const WorkerId worker = given_worker(3);
  std::vector<JobId> jobs;
  for (int i = 0; i < 5; ++i) jobs.push_back(when_job_added());
  EXPECT_EQ(in_flight(worker), 3u);
  EXPECT_EQ(scheduler_.queued_jobs(), 2u);
  when_succeeds(worker, jobs[0]);
  EXPECT_EQ(only<SettleDone>().job, jobs[0]);
  EXPECT_EQ(only<AssignJob>().job, jobs[3]);
  EXPECT_EQ(in_flight(worker), 3u);
  EXPECT_EQ(scheduler_.open_jobs(), 4u);
}

TEST_F(SchedulerCredit, PausesAWorkerThatSaysItHoldsTooMuch) {
  const WorkerId worker = given_worker(2);
  const JobId job = when_job_added();
  when_fails(worker, job, 1, FailCode::kOverCredit, true);
  EXPECT_TRUE(all<AssignJob>().empty()) << "it would bounce at the speed of the network";
  EXPECT_EQ(scheduler_.queued_jobs(), 1u);
  when_next_deadline_comes();
  EXPECT_EQ(only<AssignJob>().attempt, 2u);
  EXPECT_EQ(scheduler_.counters().requeued, 1u);
}

TEST_F(SchedulerCredit, ReportsWhereTheTimeWent) {
  const JobId job = when_job_added();
  pass(300ms);
  const WorkerId worker = given_worker();
  pass(70ms);
  when_succeeds(worker, job);
  EXPECT_EQ(only<SettleDone>().queued, 300ms);
  EXPECT_EQ(only<SettleDone>().flight, 70ms);
  EXPECT_EQ(only<SettleDone>().attempts, 1u);
  EXPECT_EQ(scheduler_.worker(worker)->service_time, 70ms);
}

// ---- choice
// ---------------------------------------------------------------------------------------

TEST_F(SchedulerChoice, PrefersTheWorkerThatWouldBeDoneFirst) {
  const WorkerId slow = given_measured_worker(1000ms, 1);
  const JobId plug = when_job_added();  // keeps the slow one busy
  const WorkerId fast = given_measured_worker(100ms, 8);
  when_succeeds(slow, plug);
  // Both idle; the fast one with five in front is still sooner done than the slow one with none.
  for (int i = 0; i < 5; ++i) EXPECT_EQ(worker_of(when_job_added()), fast) << i;
}

TEST_F(SchedulerChoice, SpreadsOverEqualWorkersByWhatTheyHold) {
  const WorkerId a = given_worker(4);
  const WorkerId b = given_worker(4);
  for (int i = 0; i < 6; ++i) when_job_added();
  EXPECT_EQ(in_flight(a), 3u);
  EXPECT_EQ(in_flight(b), 3u);
}

TEST_F(SchedulerChoice, TakesAnUnmeasuredWorkerForAnAverageOne) {
  const WorkerId measured = given_measured_worker(200ms, 4);
  const WorkerId fresh = given_worker(4);
  when_job_added();
  EXPECT_EQ(in_flight(measured), 1u);
  when_job_added();
  EXPECT_EQ(in_flight(fresh), 1u);
}

TEST_F(SchedulerChoice, CountsStreams) {
  const WorkerId one = given_worker(8, 1);
  const WorkerId four = given_worker(8, 4);
  for (int i = 0; i < 10; ++i) when_job_added();
  EXPECT_EQ(in_flight(one), 2u);
  EXPECT_EQ(in_flight(four), 8u);
}

TEST_F(SchedulerChoice, MeasuresEachImageFromWhenItsTurnCame) {
  const WorkerId worker = given_worker(4);
  std::vector<JobId> jobs;
  for (int i = 0; i < 4; ++i) jobs.push_back(when_job_added());
  for (const JobId job : jobs) {
    pass(100ms);
    when_succeeds(worker, job);
  }
  EXPECT_EQ(scheduler_.worker(worker)->service_time, 100ms) << "waiting in line is not service";
}

// ---- fairness
// -------------------------------------------------------------------------------------

TEST_F(SchedulerFairness, OnePersonsThousandPhotosDoNotStarveAnothersOne) {
  const WorkerId worker = given_worker();
  for (int i = 0; i < 1000; ++i) when_job_added("anna");
  const JobId bens = when_job_added("ben");
  int before_ben = 0;
  for (JobId job{1}; worker_of(bens) != worker; job = only<AssignJob>().job) {
    when_succeeds(worker, job);
    ASSERT_LT(++before_ben, 4);
  }
  SUCCEED();
}

// ---- workers that leave
// -----------------------------------------------------------------------------

TEST_F(SchedulerLoss, ReassignsAtOnceWhenAWorkerLeaves) {
  const WorkerId first = given_worker();
  const JobId job = when_job_added();
  const WorkerId second = given_worker();
  when_worker_leaves(first);
  EXPECT_EQ(only<AssignJob>().job, job);
  EXPECT_EQ(only<AssignJob>().worker, second);
  EXPECT_EQ(only<AssignJob>().attempt, 2u);
  EXPECT_EQ(scheduler_.counters().requeued, 1u);
  EXPECT_EQ(scheduler_.counters().resent, 1u);
  EXPECT_FALSE(scheduler_.worker(first).has_value());
}

TEST_F(SchedulerLoss, LostJobsGoBeforeThoseThatWait) {
  const WorkerId worker = given_worker(2);
  const JobId one = when_job_added();
  const JobId two = when_job_added();
  when_job_added("ben");
  when_worker_drains(worker);  // leaves in order: nobody is to blame
  when_worker_leaves(worker);
  EXPECT_EQ(scheduler_.queued_jobs(), 3u);
  given_worker(2);
  ASSERT_EQ(all<AssignJob>().size(), 2u);
  EXPECT_EQ(all<AssignJob>()[0].job, one);
  EXPECT_EQ(all<AssignJob>()[1].job, two);
}

TEST_F(SchedulerLoss, DropsReportsOfWorkersThatAreGone) {
  const WorkerId worker = given_worker();
  const JobId job = when_job_added();
  when_worker_leaves(worker);
  when_succeeds(worker, job);
  EXPECT_EQ(only<DropReport>().job, job);
  EXPECT_EQ(scheduler_.open_jobs(), 1u);
  when_worker_leaves(worker);
  EXPECT_TRUE(actions_.empty());
}

// ---- timeouts
// ---------------------------------------------------------------------------------------

TEST_F(SchedulerTimeout, ResendsToAnotherWorkerAndKeepsTheSlotOccupied) {
  const WorkerId slow = given_worker(2);
  const JobId job = when_job_added();
  const WorkerId other = given_worker(1);
  ASSERT_EQ(worker_of(job), slow);
  EXPECT_EQ(*scheduler_.next_deadline(), now_ + 20s);
  when_next_deadline_comes();
  EXPECT_EQ(only<AssignJob>().worker, other);
  EXPECT_EQ(only<AssignJob>().attempt, 2u);
  EXPECT_TRUE(all<CancelAttempt>().empty()) << "its answer is still welcome";
  EXPECT_EQ(in_flight(slow), 1u);
  EXPECT_EQ(scheduler_.counters().timed_out, 1u);
}

TEST_F(SchedulerTimeout, LateResultOfTheFirstAttemptWinsAndTheSecondIsCancelled) {
  const WorkerId slow = given_worker();
  const JobId job = when_job_added();
  const WorkerId other = given_worker();
  when_next_deadline_comes();
  pass(1s);
  when_succeeds(slow, job, 1);
  EXPECT_EQ(only<SettleDone>().worker, slow);
  EXPECT_EQ(only<SettleDone>().attempts, 2u);
  EXPECT_EQ(only<SettleDone>().flight, 21s);
  EXPECT_EQ(only<CancelAttempt>().worker, other);
  EXPECT_EQ(only<CancelAttempt>().attempt, 2u);
  EXPECT_EQ(only<CancelAttempt>().reason, CancelReason::kSettledElsewhere);
  when_succeeds(other, job, 2);
  EXPECT_TRUE(all<SettleDone>().empty());
  EXPECT_EQ(only<DropReport>().worker, other);
}

TEST_F(SchedulerTimeout, LateResultIsDroppedWhenTheSecondAttemptWasFirst) {
  const WorkerId slow = given_worker();
  const JobId job = when_job_added();
  const WorkerId other = given_worker();
  when_next_deadline_comes();
  when_succeeds(other, job, 2);
  EXPECT_EQ(only<SettleDone>().worker, other);
  EXPECT_EQ(only<CancelAttempt>().worker, slow);
  when_succeeds(slow, job, 1);
  EXPECT_EQ(only<DropReport>().attempt, 1u);
  EXPECT_EQ(scheduler_.counters().dropped, 1u);
}

TEST_F(SchedulerTimeout, WaitsForTheOtherWorkerWhenItIsBusy) {
  const WorkerId slow = given_worker(1);
  const JobId job = when_job_added();
  const WorkerId busy = given_worker(1);
  const JobId plug = when_job_added();
  pass(10s);
  when_succeeds(busy, plug);
  pass(9s);
  const JobId plug2 = when_job_added();
  ASSERT_EQ(worker_of(plug2), busy);
  when_next_deadline_comes();
  EXPECT_TRUE(all<AssignJob>().empty());
  when_succeeds(busy, plug2);
  EXPECT_EQ(only<AssignJob>().job, job);
  EXPECT_EQ(only<AssignJob>().worker, busy);
  EXPECT_EQ(in_flight(slow), 1u);
}

TEST_F(SchedulerTimeout, TakesTheSlotBackAfterAWhileAndTriesTheOnlyWorkerAgain) {
  const WorkerId only_one = given_worker(1);
  const JobId job = when_job_added();
  when_next_deadline_comes();
  EXPECT_TRUE(actions_.empty()) << "it has the job already, and there is no other worker";
  when_next_deadline_comes();
  EXPECT_EQ(only<CancelAttempt>().reason, CancelReason::kTimedOut);
  EXPECT_EQ(only<AssignJob>().worker, only_one);
  EXPECT_EQ(only<AssignJob>().attempt, 2u);
  EXPECT_EQ(in_flight(only_one), 1u);
  when_succeeds(only_one, job, 1);
  EXPECT_EQ(only<SettleDone>().attempts, 2u) << "even then the first answer is good";
  EXPECT_EQ(only<CancelAttempt>().attempt, 2u);
}

TEST_F(SchedulerTimeout, AdaptsToTheWorkersOwnSpeed) {
  const WorkerId worker = given_worker(4);
  for (int i = 0; i < 100; ++i) {
    const JobId job = when_job_added();
    pass(1s);
    when_succeeds(worker, job);
  }
  when_job_added();
  EXPECT_EQ(deadline_of_last_assignment(), 6s);
  when_job_added();
  EXPECT_EQ(deadline_of_last_assignment(), 12s) << "one is in front";
}

TEST_F(SchedulerTimeout, TriesASuspectLastAndWithOneAttemptOnly) {
  const WorkerId suspect = given_worker(3);
  const JobId slow_job = when_job_added();
  const WorkerId good = given_worker(2);
  when_next_deadline_comes();
  ASSERT_EQ(worker_of(slow_job), good);
  EXPECT_EQ(worker_of(when_job_added()), good);
  EXPECT_EQ(worker_of(when_job_added()), suspect);
  EXPECT_EQ(worker_of(when_job_added()), WorkerId{}) << "a suspect is probed, not filled";
  EXPECT_EQ(in_flight(suspect), 2u);
  when_succeeds(suspect, slow_job, 1);  // it is back
  EXPECT_EQ(scheduler_.queued_jobs(), 0u);
}

TEST_F(SchedulerTimeout, AnswerBeatsATimerThatIsDueAtTheSameTime) {
  const WorkerId worker = given_worker();
  const JobId job = when_job_added();
  pass(1h);
  when_succeeds(worker, job);
  EXPECT_EQ(only<SettleDone>().job, job);
  EXPECT_EQ(scheduler_.counters().timed_out, 0u);
}

TEST_F(SchedulerTimeout, GivingUpAtTheDeadlineIsATimeout) {
  const WorkerId worker = given_worker();
  const JobId job = when_job_added();
  const WorkerId other = given_worker();
  pass(19s);
  when_fails(worker, job, 1, FailCode::kDeadline, true);
  EXPECT_EQ(only<AssignJob>().worker, other);
  EXPECT_EQ(scheduler_.counters().timed_out, 1u);
  EXPECT_EQ(in_flight(worker), 0u);
}

TEST_F(SchedulerTimeout, AnImageThatHadNotBegunIsNotToBlame) {
  // Behind an image that hangs the only worker: timed out there again and again, by our timer or by
  // the worker's own word.
  const WorkerId worker = given_worker(2);
  const JobId hangs = when_job_added();
  const JobId behind = when_job_added();
  for (std::uint32_t attempt = 1; attempt <= 6; ++attempt) {
    ASSERT_TRUE(scheduler_.job(behind).has_value()) << "set aside at attempt " << attempt;
    if (attempt % 2 == 0) {
      while (scheduler_.counters().timed_out < attempt) when_next_deadline_comes();
    }
    when_fails(worker, behind, scheduler_.job(behind)->attempts, FailCode::kDeadline, true);
  }
  EXPECT_TRUE(scheduler_.job(behind).has_value());
  (void)hangs;
}

// ---- duplicate and unknown reports
// ------------------------------------------------------------------

TEST_F(SchedulerReports, DropsDuplicatesAndUnknownOnes) {
  const WorkerId worker = given_worker();
  const JobId job = when_job_added();
  when_succeeds(worker, job);
  when_succeeds(worker, job);
  EXPECT_EQ(only<DropReport>().job, job);
  when_succeeds(worker, JobId{999});
  EXPECT_EQ(only<DropReport>().job, JobId{999});
  when_fails(worker, JobId{999}, 1, FailCode::kDamaged, false);
  EXPECT_EQ(only<DropReport>().job, JobId{999});
  EXPECT_EQ(scheduler_.counters().dropped, 3u);
}

TEST_F(SchedulerReports, DropsReportsOfAttemptsThatTheWorkerNeverGot) {
  const WorkerId holder = given_worker();
  const JobId job = when_job_added();
  const WorkerId liar = given_worker();
  when_succeeds(liar, job, 1);
  EXPECT_EQ(only<DropReport>().worker, liar);
  when_succeeds(holder, job, 2);
  EXPECT_EQ(only<DropReport>().attempt, 2u);
  when_succeeds(holder, job, 1);
  EXPECT_EQ(only<SettleDone>().worker, holder);
}

// ---- failures
// ---------------------------------------------------------------------------------------

TEST_F(SchedulerFailure, SettlesWithAStableCodeAndTheWorkersSentence) {
  const std::vector<std::pair<FailCode, std::string>> codes = {
      {FailCode::kNotAnImage, "not_an_image"},
      {FailCode::kDamaged, "damaged_image"},
      {FailCode::kTooManyPixels, "too_many_pixels"},
      {FailCode::kInference, "inference_failed"},
      {FailCode::kInternal, "worker_error"}};
  const WorkerId worker = given_worker();
  for (const auto& [code, text] : codes) {
    const JobId job = when_job_added();
    when_fails(worker, job, 1, code, false, "The file ends early.");
    EXPECT_EQ(only<SettleFailed>().job, job);
    EXPECT_EQ(only<SettleFailed>().code, text);
    EXPECT_EQ(only<SettleFailed>().detail, "The file ends early.");
  }
  EXPECT_EQ(scheduler_.open_jobs(), 0u);
}

TEST_F(SchedulerFailure, TriesARetriableFailureElsewhere) {
  const WorkerId bad = given_worker(4);
  const JobId job = when_job_added();
  const WorkerId good = given_worker(4);
  when_fails(bad, job, 1, FailCode::kInternal, true);
  EXPECT_EQ(only<AssignJob>().worker, good);
  when_succeeds(good, job, 2);
  EXPECT_EQ(only<SettleDone>().attempts, 2u);
}

TEST_F(SchedulerFailure, WaitsForAnotherWorkerRatherThanFailThereAgain) {
  const WorkerId bad = given_worker(1);
  const JobId job = when_job_added();
  const WorkerId good = given_worker(1);
  const JobId plug = when_job_added();
  ASSERT_EQ(worker_of(plug), good);
  when_fails(bad, job, 1, FailCode::kInference, true);
  EXPECT_TRUE(all<AssignJob>().empty());
  when_worker_leaves(good);  // now there is no other one to wait for
  ASSERT_EQ(all<AssignJob>().size(), 1u);
  EXPECT_EQ(worker_of(job), bad);
}

TEST_F(SchedulerFailure, GivesUpAfterAFewRetriableFailures) {
  const WorkerId worker = given_worker();
  const JobId job = when_job_added();
  std::uint32_t attempt = 0;
  while (scheduler_.open_jobs() == 1) {
    ASSERT_LT(++attempt, 10u);
    when_fails(worker, job, attempt, FailCode::kInference, true, "The network failed on it.");
  }
  EXPECT_EQ(attempt, 5u);
  EXPECT_EQ(only<SettleFailed>().code, "inference_failed");
  EXPECT_EQ(only<SettleFailed>().attempts, 5u);
}

TEST_F(SchedulerFailure, HandedBackJobsDoNotCountAsFailed) {
  const JobId job = when_job_added();
  for (std::uint32_t attempt = 1; attempt <= 20; ++attempt) {
    const WorkerId worker = given_worker();
    ASSERT_EQ(worker_of(job), worker);
    when_fails(worker, job, attempt, FailCode::kDraining, true);
    ASSERT_TRUE(scheduler_.worker(worker)->draining);
    when_worker_leaves(worker);
  }
  EXPECT_EQ(scheduler_.open_jobs(), 1u);
  EXPECT_EQ(scheduler_.counters().requeued, 20u);
}

// ---- quarantine
// -------------------------------------------------------------------------------------

TEST_F(SchedulerQuarantine, SetsAnImageAsideThatKilledThreeWorkers) {
  const JobId job = when_job_added();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(all<SettleFailed>().empty());
    const WorkerId worker = given_worker();
    ASSERT_EQ(worker_of(job), worker);
    when_worker_leaves(worker);
  }
  EXPECT_EQ(only<SettleFailed>().code, "quarantined");
  EXPECT_EQ(only<SettleFailed>().attempts, 3u);
  EXPECT_THAT(only<SettleFailed>().detail, HasSubstr("3 attempts"));
}

TEST_F(SchedulerQuarantine, DoesNotBlameAnImageForAWorkerThatHungBefore) {
  const WorkerId hung = given_worker(1);
  const JobId first = when_job_added();
  when_next_deadline_comes();
  when_next_deadline_comes();  // written off, and tried again
  when_cancelled(first);
  const JobId innocent = when_job_added();
  for (int i = 0; i < 20; ++i) when_next_deadline_comes();
  EXPECT_GE(scheduler_.counters().timed_out, 8u);
  EXPECT_EQ(scheduler_.open_jobs(), 1u) << "a hung worker costs time, never an image";
  when_worker_leaves(hung);
  const WorkerId good = given_worker(1);
  EXPECT_EQ(worker_of(innocent), good);
}

TEST_F(SchedulerQuarantine, SetsAnImageAsideThatTimedOutOnThreeWorkers) {
  std::vector<WorkerId> workers = {given_worker(), given_worker(), given_worker()};
  const JobId job = when_job_added();
  std::vector<WorkerId> tried;
  while (scheduler_.open_jobs() == 1) {
    tried.push_back(worker_of(job));
    ASSERT_LE(tried.size(), 3u);
    when_next_deadline_comes();
  }
  EXPECT_THAT(tried, ::testing::UnorderedElementsAreArray(workers));
  EXPECT_EQ(only<SettleFailed>().code, "quarantined");
  EXPECT_EQ(all<CancelAttempt>().size(), 3u);
  for (const WorkerId worker : workers) EXPECT_EQ(in_flight(worker), 0u);
}

TEST_F(SchedulerQuarantine, WithASingleWorkerThreeTimeoutsThereAreEnough) {
  given_worker();
  when_job_added();
  int deadlines = 0;
  while (scheduler_.open_jobs() == 1) {
    ASSERT_LT(++deadlines, 10);
    when_next_deadline_comes();
  }
  EXPECT_EQ(scheduler_.counters().timed_out, 3u);
  EXPECT_EQ(only<SettleFailed>().code, "quarantined");
}

TEST_F(SchedulerQuarantine, OneHangIsOneStrikeForEachThatMayHaveCausedIt) {
  const WorkerId hung = given_worker(4);
  happen(WorkerBatches{hung, 2});
  const JobId one = when_job_added();
  const JobId other = when_job_added();
  for (int i = 0; i < 20; ++i) when_next_deadline_comes();
  EXPECT_GE(scheduler_.counters().timed_out, 8u);
  when_worker_leaves(hung);
  EXPECT_EQ(scheduler_.open_jobs(), 2u) << "either may be the innocent one";
  const WorkerId good = given_worker(4);
  when_succeeds(good, one, scheduler_.job(one)->attempts);
  when_succeeds(good, other, scheduler_.job(other)->attempts);
  EXPECT_EQ(scheduler_.open_jobs(), 0u);
}

TEST_F(SchedulerQuarantine, WhatIsLeftWhenTheOthersHadNotBegunHungTheWorker) {
  const WorkerId worker = given_worker(4);
  happen(WorkerBatches{worker, 2});
  const JobId poison = when_job_added();
  const JobId behind = when_job_added();
  when_next_deadline_comes();
  ASSERT_EQ(scheduler_.counters().timed_out, 2u);
  when_fails(worker, behind, 1, FailCode::kDeadline, true);
  when_cancelled(behind);
  for (int i = 0; i < 10 && scheduler_.open_jobs() > 0; ++i) when_next_deadline_comes();
  EXPECT_EQ(only<SettleFailed>().job, poison);
}

TEST_F(SchedulerQuarantine, WaitsForADistinctWorkerWhereThereIsOne) {
  const WorkerId a = given_worker();
  const JobId job = when_job_added();
  when_next_deadline_comes();  // strike 1, on a
  when_next_deadline_comes();  // written off, tried again on a
  when_next_deadline_comes();  // strike 2, on a
  when_next_deadline_comes();  // written off, tried again on a
  const WorkerId b = given_worker();
  when_next_deadline_comes();  // strike 3: but b never had it
  EXPECT_TRUE(all<SettleFailed>().empty());
  EXPECT_EQ(only<AssignJob>().worker, b);
  when_succeeds(b, job, 4);
  EXPECT_EQ(only<SettleDone>().worker, b);
  EXPECT_EQ(scheduler_.counters().assigned, 4u);
  EXPECT_EQ(in_flight(a), 0u);
}

TEST_F(SchedulerQuarantine, BlamesADeathOnWhatTheWorkerCouldBeWorkingOn) {
  const WorkerId dies = given_worker(8);
  for (int i = 0; i < 8; ++i) when_job_added();
  when_worker_leaves(dies);
  given_worker(8);
  // Computing, or decoding ahead: those two are apart from now on. The six behind them go at once.
  EXPECT_EQ(all<AssignJob>().size(), 7u);
  EXPECT_EQ(scheduler_.queued_jobs(), 1u);
}

// Alone, or computed with others.
class SchedulerQuarantineBatches : public SchedulerStory,
                                   public ::testing::WithParamInterface<unsigned> {
 protected:
  // One that takes `batch` together.
  WorkerId given_batching_worker() {
    const WorkerId worker = given_worker(64);
    std::vector<AssignJob> assigned = all<AssignJob>();
    happen(WorkerBatches{worker, GetParam()});
    for (const AssignJob& more : all<AssignJob>()) assigned.push_back(more);
    newest_line_ = std::move(assigned);
    return worker;
  }
  // Of what it holds: what it computes at present, and whether `image` is among it.
  std::size_t in_hand(const std::vector<AssignJob>& line) const {
    return line.size() < GetParam() ? std::min<std::size_t>(line.size(), 1) : GetParam();
  }
  bool has_in_hand(const std::vector<AssignJob>& line, JobId image) const {
    const auto end = line.begin() + static_cast<std::ptrdiff_t>(in_hand(line));
    return std::any_of(line.begin(), end, [&](const AssignJob& a) { return a.job == image; });
  }

  std::vector<AssignJob> newest_line_;
};
INSTANTIATE_TEST_SUITE_P(Sizes, SchedulerQuarantineBatches, ::testing::Values(1, 2, 4));

TEST_P(SchedulerQuarantineBatches, SpareTheNeighboursOfAnImageThatKills) {
  // One worker at a time, as when a supervisor restarts it. `poison` kills each one once it is its
  // turn; the others are answered in order.
  const JobId before = when_job_added();
  const JobId poison = when_job_added();
  std::vector<JobId> neighbours;
  for (int i = 0; i < 20; ++i) neighbours.push_back(when_job_added());
  std::size_t done = 0;
  int quarantined_at = 0;
  for (int lives = 1; lives <= 40 && scheduler_.open_jobs() > 0; ++lives) {
    const WorkerId worker = given_batching_worker();
    std::vector<AssignJob> line = newest_line_;
    while (!line.empty() && !has_in_hand(line, poison)) {
      for (std::size_t computed = in_hand(line); computed > 0; --computed) {
        const AssignJob assigned = line.front();
        line.erase(line.begin());
        when_succeeds(worker, assigned.job, assigned.attempt);
        done += all<SettleDone>().size();
        for (const AssignJob& more : all<AssignJob>()) line.push_back(more);
      }
    }
    when_worker_leaves(worker);
    for (const SettleFailed& failed : all<SettleFailed>()) {
      EXPECT_EQ(failed.job, poison);
      EXPECT_EQ(failed.code, "quarantined");
      quarantined_at = lives;
    }
  }
  EXPECT_EQ(done, neighbours.size() + 1);
  EXPECT_EQ(scheduler_.open_jobs(), 0u);
  EXPECT_FALSE(scheduler_.job(before).has_value());
  EXPECT_EQ(quarantined_at, 3) << "it took no more workers with it than it is allowed";
}

// Found by the simulation.
TEST_F(SchedulerQuarantine, SparesAnImageThatTheWorkerSaysItHasNotBegun) {
  const WorkerId worker = given_worker(2);
  const JobId first = when_job_added();
  when_job_added();  // hangs the worker; nothing was measured yet, so it may take long
  pass(10ms);
  when_succeeds(worker, first);
  const JobId behind = when_job_added();
  std::optional<AssignJob> waiting;
  TimePoint given_up{};
  for (int i = 0; i < 40 && scheduler_.next_deadline(); ++i) {
    for (const SettleFailed& failed : all<SettleFailed>()) ASSERT_NE(failed.job, behind);
    for (const AssignJob& assigned : all<AssignJob>()) {
      if (assigned.job != behind) continue;
      waiting = assigned;
      given_up = now_ + assigned.deadline;
    }
    if (waiting && now_ >= given_up) {
      const std::uint32_t attempt = std::exchange(waiting, std::nullopt)->attempt;
      when_fails(worker, behind, attempt, FailCode::kDeadline, true);
    } else {
      when_next_deadline_comes();
    }
  }
  EXPECT_GT(scheduler_.job(behind)->attempts, 3u);
}

TEST_F(SchedulerQuarantine, TakesAStrikeBackWhereTheWorkerSaysLateThatItHadNotBegun) {
  const JobId job = when_job_added();
  for (int i = 0; i < 5; ++i) {
    const WorkerId worker = given_worker();
    ASSERT_EQ(worker_of(job), worker);
    const std::uint32_t attempt = scheduler_.job(job)->attempts;
    when_next_deadline_comes();  // a strike
    when_fails(worker, job, attempt, FailCode::kDeadline, true);
    when_worker_leaves(worker);
  }
  EXPECT_EQ(scheduler_.open_jobs(), 1u);
  const WorkerId good = given_worker();
  when_succeeds(good, job, scheduler_.job(job)->attempts);
  EXPECT_EQ(scheduler_.open_jobs(), 0u);
}

TEST_F(SchedulerQuarantine, TakesBackNoMoreThanAFewStrikes) {
  const JobId job = when_job_added();
  int hangs = 0;
  for (; hangs < 40 && scheduler_.open_jobs() > 0; ++hangs) {
    const WorkerId worker = given_worker();
    ASSERT_EQ(worker_of(job), worker);
    const std::uint32_t attempt = scheduler_.job(job)->attempts;
    when_next_deadline_comes();
    when_fails(worker, job, attempt, FailCode::kDeadline, true);
    when_worker_leaves(worker);
  }
  EXPECT_EQ(scheduler_.open_jobs(), 0u) << "its workers may lie";
  EXPECT_EQ(hangs, 8) << "five of them forgiven";
}

// What a worker would say without having looked.
TEST_F(SchedulerQuarantine, GivesAWorkerThatGivesUpAtOnceTimeToThink) {
  const WorkerId liar = given_worker();
  const JobId job = when_job_added();
  when_fails(liar, job, 1, FailCode::kDeadline, true);
  EXPECT_TRUE(all<AssignJob>().empty());
  when_next_deadline_comes();
  EXPECT_EQ(only<AssignJob>().attempt, 2u);
}

TEST_P(SchedulerQuarantineBatches, SuspectWhatAWorkerThatDiedMayHaveHadInHand) {
  constexpr std::size_t kJobs = 40;
  for (std::size_t i = 0; i < kJobs; ++i) when_job_added();
  const WorkerId dies = given_batching_worker();
  ASSERT_EQ(newest_line_.size(), kJobs);
  when_worker_leaves(dies);
  // What it computed, and what it decoded for the next inference: one of them at a time from now
  // on.
  given_batching_worker();
  EXPECT_EQ(newest_line_.size(), kJobs - 2 * GetParam() + 1);
}

TEST_P(SchedulerQuarantineBatches, SpareTheLineBehindAnImageThatHangs) {
  // Three workers that take their attempts in order, and hang for ever on `poison`, which is the
  // last of the first batch: another one is late before it.
  for (unsigned i = 1; i < GetParam(); ++i) when_job_added();
  const JobId poison = when_job_added();
  for (int i = 0; i < 30; ++i) when_job_added();
  std::map<WorkerId, std::vector<AssignJob>> lines;
  std::vector<SettleFailed> failed;
  const auto take_over = [&] {
    for (const AssignJob& a : all<AssignJob>()) lines[a.worker].push_back(a);
    for (const SettleFailed& f : all<SettleFailed>()) failed.push_back(f);
  };
  const auto given_one_more = [&] {
    const WorkerId worker = given_batching_worker();
    for (const AssignJob& a : newest_line_) lines[worker].push_back(a);
  };
  unsigned restarts = 0;
  for (int i = 0; i < 3; ++i) given_one_more();
  for (int i = 0; i < 1000 && scheduler_.open_jobs() > 0; ++i) {
    const auto able = std::find_if(lines.begin(), lines.end(), [&](const auto& line) {
      return !line.second.empty() && !has_in_hand(line.second, poison);
    });
    if (able == lines.end() && failed.empty()) {
      when_next_deadline_comes();
      take_over();
    } else if (able == lines.end()) {  // all hang: someone restarts one
      ++restarts;
      const WorkerId hung = lines.begin()->first;
      lines.erase(hung);
      when_worker_leaves(hung);
      take_over();
      given_one_more();
    } else {
      std::vector<AssignJob>& line = able->second;
      pass(10ms);
      for (std::size_t computed = in_hand(line); computed > 0; --computed) {
        const AssignJob next = line.front();
        line.erase(line.begin());
        when_succeeds(next.worker, next.job, next.attempt);
        take_over();
      }
    }
  }
  EXPECT_EQ(scheduler_.open_jobs(), 0u);
  ASSERT_EQ(failed.size(), 1u) << failed.back().detail;
  EXPECT_EQ(failed[0].job, poison);
  EXPECT_EQ(failed[0].code, "quarantined");
  EXPECT_LE(restarts, 3u);
}

// ---- draining and cancelling
// --------------------------------------------------------------------------

TEST_F(SchedulerDrain, GivesADrainingWorkerNothingNewAndTakesItsResults) {
  const WorkerId worker = given_worker(2);
  const JobId begun = when_job_added();
  when_worker_drains(worker);
  when_job_added();
  EXPECT_TRUE(all<AssignJob>().empty());
  EXPECT_EQ(scheduler_.queued_jobs(), 1u);
  when_succeeds(worker, begun);
  EXPECT_EQ(only<SettleDone>().job, begun);
  EXPECT_TRUE(all<AssignJob>().empty());
  EXPECT_TRUE(scheduler_.worker(worker)->draining);
}

TEST_F(SchedulerCancel, CancelsTheAttemptAndForgetsTheJob) {
  const WorkerId worker = given_worker();
  const JobId out = when_job_added();
  const JobId waiting = when_job_added();
  when_cancelled(out);
  EXPECT_EQ(only<CancelAttempt>().job, out);
  EXPECT_EQ(only<CancelAttempt>().reason, CancelReason::kDeleted);
  EXPECT_EQ(only<AssignJob>().job, waiting) << "the slot is free";
  when_cancelled(out);
  EXPECT_TRUE(actions_.empty());
  when_succeeds(worker, out);
  EXPECT_EQ(only<DropReport>().job, out);
}

TEST_F(SchedulerCancel, ForgetsQueuedAndTimedOutJobs) {
  const JobId queued = when_job_added();
  when_cancelled(queued);
  EXPECT_EQ(scheduler_.open_jobs(), 0u);
  const WorkerId worker = given_worker();
  EXPECT_TRUE(all<AssignJob>().empty());
  const JobId slow = when_job_added();
  when_next_deadline_comes();
  when_cancelled(slow);
  EXPECT_EQ(only<CancelAttempt>().worker, worker);
  EXPECT_EQ(scheduler_.open_jobs(), 0u);
  EXPECT_EQ(in_flight(worker), 0u);
  EXPECT_FALSE(scheduler_.next_deadline().has_value()) << "nothing is left to wait for";
}

// ---- size
// ---------------------------------------------------------------------------------------------

TEST_F(SchedulerCredit, HandlesAHundredThousandQueuedJobsWithoutScanningThem) {
  for (int i = 0; i < 100'000; ++i) when_job_added(i % 3 == 0 ? "anna" : "ben");
  const WorkerId failing = given_worker(64);
  const WorkerId busy = given_worker(1);
  // Every job fails on one worker and then waits for the other, which is busy: the retry lane
  // grows to its full length. Each event must still be cheap; a scan per event would take minutes.
  std::vector<AssignJob> held = all<AssignJob>();
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t job = 1; job <= 100'000; ++job) {
    const auto view = scheduler_.job(JobId{job});
    if (!view || !view->assigned || view->worker != failing) continue;
    when_fails(failing, JobId{job}, view->attempts, FailCode::kInternal, true);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 60s);
  EXPECT_EQ(scheduler_.open_jobs(), 100'000u);
  EXPECT_EQ(in_flight(busy), 1u);
}

}  // namespace
}  // namespace imgrec::manager
