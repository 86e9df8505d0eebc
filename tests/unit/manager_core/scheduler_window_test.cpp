// How much a worker is sent at once, and which worker waits for whom.
#include <algorithm>
#include <deque>
#include <map>

#include <gtest/gtest.h>

#include "tests/unit/manager_core/scheduler_fixture.h"

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

class SchedulerWindow : public SchedulerStory {
 protected:
  static SchedulerOptions no_hedges() {
    SchedulerOptions options;
    options.hedge_percent = 0;
    return options;
  }
  SchedulerWindow() : SchedulerStory(no_hedges()) {}

  void given_jobs(int count) {
    for (int i = 0; i < count; ++i) when_job_added();
  }
  // A link with `rtt` and a worker that takes `service` an image, played until the queue is empty.
  // Returns how many images a second came out of the second half.
  double throughput(WorkerId worker, Duration rtt, Duration service, int images) {
    happen(WorkerMeasured{worker, std::chrono::duration_cast<std::chrono::microseconds>(rtt)});
    std::vector<std::pair<TimePoint, AssignJob>> line;  // when its result arrives
    TimePoint free_at = now_;
    const auto take = [&] {
      for (const AssignJob& assigned : all<AssignJob>()) {
        free_at = std::max(free_at, now_ + rtt / 2) + service;
        line.emplace_back(free_at + rtt / 2, assigned);
      }
    };
    for (int i = 0; i < images; ++i) {
      when_job_added();
      take();
    }
    TimePoint half = now_;
    for (int done = 0; done < images; ++done) {
      const auto [at, assigned] = line.at(static_cast<std::size_t>(done));
      if (done == images / 2) half = now_;
      now_ = at;
      when_succeeds(worker, assigned.job, assigned.attempt);
      take();
    }
    return (images - images / 2) / std::chrono::duration<double>(now_ - half).count();
  }
};

TEST_F(SchedulerWindow, SendsOneToComputeAndOneToComeNextUntilMeasured) {
  const WorkerId worker = given_worker(64);
  given_jobs(10);
  EXPECT_EQ(in_flight(worker), 2u);
  const WorkerId wide = given_worker(64, 4);
  EXPECT_EQ(in_flight(wide), 5u);
}

TEST_F(SchedulerWindow, OfABatchForEachStreamAndOneToComeNext) {
  const WorkerId pairs = given_worker(64);
  happen(WorkerBatches{pairs, 2});
  given_jobs(20);
  EXPECT_EQ(in_flight(pairs), 4u);
  const WorkerId wide = given_worker(64, 3);
  happen(WorkerBatches{wide, 2});
  EXPECT_EQ(in_flight(wide), 8u);
  happen(WorkerBatches{wide, 1});
  EXPECT_EQ(scheduler_.worker(wide)->window, 4u);
  happen(WorkerBatches{wide, 0});
  EXPECT_EQ(scheduler_.worker(wide)->window, 4u) << "nobody computes nothing";
  happen(WorkerBatches{WorkerId{99}, 2});  // which has left
}

TEST_F(SchedulerWindow, AWorkerThatAnswersInPairsIsKnownToTakeHalfOfTheTimeForEach) {
  const WorkerId pairs = given_worker(64);
  happen(WorkerBatches{pairs, 2});
  std::deque<JobId> jobs;
  for (int i = 0; i < 4; ++i) jobs.push_back(when_job_added());
  for (int pair = 0; pair < 50; ++pair) {
    pass(100ms);
    for (int i = 0; i < 2; ++i) {
      when_succeeds(pairs, jobs.front());
      jobs.pop_front();
      jobs.push_back(when_job_added());
    }
  }
  EXPECT_NEAR(static_cast<double>(scheduler_.worker(pairs)->service_time.count()), 50'000, 15'000);
  EXPECT_EQ(in_flight(pairs), 4u);
}

TEST_F(SchedulerWindow, AWorkerThatComputesPairsIsNoBetterForASecondImageThanAnIdleOne) {
  const WorkerId one = given_measured_worker(100ms, 64);
  happen(WorkerBatches{one, 2});
  const JobId busy = when_job_added();
  ASSERT_EQ(worker_of(busy), one);
  const WorkerId slower = given_measured_worker(150ms, 64);
  happen(WorkerBatches{slower, 2});
  EXPECT_EQ(worker_of(when_job_added()), slower) << "100 ms of waiting and 100 ms, or 150";
}

TEST_F(SchedulerWindow, NeverMoreThanTheWorkersOwnCredit) {
  const WorkerId worker = given_worker(3);
  happen(WorkerMeasured{worker, 10s});
  EXPECT_GT(throughput(worker, 1s, 10ms, 50), 2.0);
  EXPECT_EQ(scheduler_.worker(worker)->window, 3u);
}

TEST_F(SchedulerWindow, KeepsAWorkerBusyOverALongRoundTrip) {
  // 500 ms each way: with two at a time it would be 2 images a second instead of 20.
  const WorkerId far = given_worker(64);
  EXPECT_GT(throughput(far, 1s, 50ms, 400), 0.95 * 20);
  EXPECT_GE(scheduler_.worker(far)->window, 21u);
  EXPECT_NEAR(static_cast<double>(scheduler_.worker(far)->service_time.count()), 50'000, 15'000)
      << "the round trip is not service";
}

TEST_F(SchedulerWindow, SendsAFarWorkerWhatOthersWouldNeedBeforeItIsMeasured) {
  const WorkerId first = given_worker(64);
  happen(WorkerMeasured{first, 1s});
  EXPECT_EQ(scheduler_.worker(first)->window, 2u + 12u) << "as if an image took 100 ms";

  given_measured_worker(50ms, 64);
  const WorkerId next = given_worker(64);
  happen(WorkerMeasured{next, 1s});
  EXPECT_EQ(scheduler_.worker(next)->window, 2u + 25u);
}

TEST_F(SchedulerWindow, TheWayOfALargePhotoDoesNotMakeTheWindowSmall) {
  const WorkerId far = given_worker(64);
  happen(WorkerMeasured{far, 1s});
  const JobId large = when_job_added();
  pass(3s);  // two seconds more than an answer to nothing takes
  happen(AttemptSucceeded{far, large, 1, false, 250ms});
  EXPECT_EQ(scheduler_.worker(far)->service_time, 2s)
      << "as far as anybody but the worker can tell";
  EXPECT_EQ(scheduler_.worker(far)->window, 2u + 5u) << "its own word is good enough for this";
}

TEST_F(SchedulerWindow, AWorkerThatSaysItTookNoTimeIsBelievedWithinLimits) {
  const WorkerId liar = given_worker(64);
  happen(WorkerMeasured{liar, 100ms});
  const JobId job = when_job_added();
  pass(260ms);
  happen(AttemptSucceeded{liar, job, 1, false, 1us});
  EXPECT_EQ(scheduler_.worker(liar)->service_time, 160ms);
  EXPECT_EQ(scheduler_.worker(liar)->window, 2u + 12u) << "a sixteenth of what was seen";
}

TEST_F(SchedulerWindow, ASlowWayIsNotTakenForAHungWorker) {
  // A second a photo on each link, and 60 ms of computing, which is all that the worker speaks of.
  std::map<WorkerId, TimePoint> way_is_free;
  std::multimap<TimePoint, AssignJob> answers;
  const auto carry = [&] {
    for (const AssignJob& assigned : all<AssignJob>()) {
      TimePoint& free = way_is_free[assigned.worker];
      free = std::max(free, now_) + 1s;
      answers.emplace(free + 60ms, assigned);
    }
  };
  for (int i = 0; i < 3; ++i) given_worker(64);
  for (int i = 0; i < 60; ++i) {
    when_job_added();
    carry();
  }
  while (!answers.empty()) {
    const auto [at, assigned] = *answers.begin();
    if (scheduler_.next_deadline() && *scheduler_.next_deadline() < at) {
      when_next_deadline_comes();
    } else {
      answers.erase(answers.begin());
      now_ = at;
      happen(AttemptSucceeded{assigned.worker, assigned.job, assigned.attempt, false, 60ms});
    }
    carry();
  }
  EXPECT_EQ(scheduler_.open_jobs(), 0u);
  EXPECT_EQ(scheduler_.counters().timed_out, 0u);
}

TEST_F(SchedulerWindow, ANearWorkerGetsNoMoreThanItNeeds) {
  const WorkerId near = given_worker(64);
  EXPECT_GT(throughput(near, 200us, 50ms, 100), 0.95 * 20);
  EXPECT_EQ(scheduler_.worker(near)->window, 2u) << "what it holds, nobody else can have";
}

TEST_F(SchedulerWindow, BoundsTheBytesThatAWorkerHolds) {
  const WorkerId worker = given_worker(64);
  happen(WorkerMeasured{worker, 1s});
  const JobId first = when_job_added();
  pass(1010ms);
  when_succeeds(worker, first);
  ASSERT_GT(scheduler_.worker(worker)->window, 20u);
  for (std::uint64_t i = 0; i < 20; ++i) happen(JobAdded{JobId{1000 + i}, {"anna"}, 20u << 20});
  EXPECT_EQ(in_flight(worker), 4u) << "64 MiB are reached by the fourth";
}

TEST_F(SchedulerWindow, RepeatedAnswersSayNothingOfTheSpeed) {
  const WorkerId worker = given_worker(1);
  const JobId job = when_job_added();
  pass(1ms);
  happen(AttemptSucceeded{worker, job, 1, /*from_cache=*/true});
  EXPECT_EQ(scheduler_.worker(worker)->service_time, 0us);
}

TEST_F(SchedulerWindow, LeavesTheEndOfTheWorkToTheFast) {
  const WorkerId slow = given_measured_worker(1000ms, 8);
  const JobId plug = when_job_added();
  const JobId plug2 = when_job_added();
  const WorkerId fast = given_measured_worker(100ms, 8);
  when_succeeds(slow, plug);
  when_succeeds(slow, plug2);
  given_jobs(4);
  EXPECT_EQ(in_flight(fast), 2u);
  EXPECT_EQ(in_flight(slow), 0u) << "the fast one will have done all four before";
  given_jobs(40);
  EXPECT_EQ(in_flight(slow), 2u) << "with so much to do it is welcome";
}

TEST_F(SchedulerWindow, TwoFarWorkersDoNotWaitForEachOther) {
  const WorkerId a = given_worker(8);
  const WorkerId b = given_worker(8);
  for (const WorkerId worker : {a, b}) happen(WorkerMeasured{worker, 1s});
  const JobId one = when_job_added();
  const JobId two = when_job_added();
  ASSERT_NE(worker_of(one), worker_of(two));
  pass(1010ms);
  when_succeeds(worker_of(one), one);
  when_succeeds(worker_of(two), two);
  given_jobs(4);
  EXPECT_EQ(in_flight(a), 2u);
  EXPECT_EQ(in_flight(b), 2u) << "both are a second away: what is out on one says nothing";
}

TEST_F(SchedulerWindow, TheSlowOneIsWelcomeWhenTheFastOneHangs) {
  const WorkerId slow = given_measured_worker(1000ms, 8);
  const JobId plug = when_job_added();
  const JobId plug2 = when_job_added();
  const WorkerId fast = given_measured_worker(100ms, 8);
  when_succeeds(slow, plug);
  when_succeeds(slow, plug2);
  given_jobs(4);
  ASSERT_EQ(in_flight(slow), 0u);
  ASSERT_EQ(in_flight(fast), 2u);
  when_next_deadline_comes();
  EXPECT_GT(in_flight(slow), 0u);
}

TEST_F(SchedulerWindow, AStrangerIsGivenThreeTimesWhatTheOthersNeed) {
  const WorkerId known = given_measured_worker(1000ms, 2);
  for (int i = 0; i < 60; ++i) {
    const JobId job = when_job_added();
    pass(1000ms);
    when_succeeds(known, job);
  }
  when_job_added();
  when_job_added();
  given_worker(1);
  when_job_added();
  EXPECT_NEAR(static_cast<double>(deadline_of_last_assignment().count()), 18'000, 500);
}

TEST_F(SchedulerWindow, WaitsForTheRoundTripToo) {
  const WorkerId worker = given_worker(1);
  happen(WorkerMeasured{worker, 3s});
  for (int i = 0; i < 60; ++i) {
    const JobId job = when_job_added();
    pass(4s);
    when_succeeds(worker, job);
  }
  when_job_added();
  EXPECT_NEAR(static_cast<double>(deadline_of_last_assignment().count()), 6'000 + 6'000, 500);
}

}  // namespace
}  // namespace imgrec::manager
