// Workers that keep failing are left out for a while.
#include <gtest/gtest.h>

#include "tests/unit/manager_core/scheduler_fixture.h"

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;
using proto::FailCode;

class SchedulerHealth : public SchedulerStory {
 protected:
  WorkerId join(const std::string& identity, unsigned credit = 1) {
    const WorkerId worker{++last_};
    happen(WorkerJoined{worker, credit, 1, identity});
    return worker;
  }
  // One job after the other goes to `worker`, the only one, and fails there; returns the last one.
  void fail_in_a_row(WorkerId worker, int times) {
    for (int i = 0; i < times; ++i) {
      const JobId job = when_job_added();
      ASSERT_EQ(worker_of(job), worker);
      when_fails(worker, job, 1, FailCode::kInternal, true, "no memory");
      happen(JobCancelled{job});
    }
  }

 private:
  std::uint64_t last_ = 1000;
};

TEST_F(SchedulerHealth, LeavesAWorkerOutThatFailsThreeDifferentImages) {
  const WorkerId bad = join("bad@host");
  fail_in_a_row(bad, 3);
  EXPECT_TRUE(scheduler_.worker(bad)->ejected);
  EXPECT_EQ(scheduler_.counters().ejections, 1u);
  when_job_added();
  EXPECT_TRUE(all<AssignJob>().empty());
  const WorkerId good = join("good@host");
  EXPECT_EQ(only<AssignJob>().worker, good);
}

TEST_F(SchedulerHealth, TriesItAgainWithOneImageAtATimeUntilItIsTrusted) {
  const WorkerId bad = join("bad@host", 4);
  fail_in_a_row(bad, 3);
  std::vector<JobId> jobs;
  for (int i = 0; i < 8; ++i) jobs.push_back(when_job_added());
  EXPECT_EQ(in_flight(bad), 0u);
  when_next_deadline_comes();
  EXPECT_FALSE(scheduler_.worker(bad)->ejected);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(in_flight(bad), 1u) << i;
    when_succeeds(bad, jobs[static_cast<std::size_t>(i)]);
  }
  EXPECT_EQ(in_flight(bad), 4u);
}

TEST_F(SchedulerHealth, OneFailureOnProbationIsEnough) {
  const WorkerId bad = join("bad@host");
  fail_in_a_row(bad, 3);
  const JobId job = when_job_added();
  when_next_deadline_comes();
  ASSERT_EQ(worker_of(job), bad);
  when_fails(bad, job, 1, FailCode::kInternal, true);
  EXPECT_TRUE(scheduler_.worker(bad)->ejected);
  EXPECT_EQ(*scheduler_.next_deadline(), now_ + 2s);
}

TEST_F(SchedulerHealth, ABadImageIsNotTheWorkersFault) {
  const WorkerId worker = join("w@host");
  for (int i = 0; i < 10; ++i) {
    const JobId job = when_job_added();
    when_fails(worker, job, 1, i % 2 == 0 ? FailCode::kDamaged : FailCode::kTooManyPixels, false);
  }
  EXPECT_FALSE(scheduler_.worker(worker)->ejected);
}

TEST_F(SchedulerHealth, ThePhotoThatCannotBeReadFromDiskIsNotTheWorkersFault) {
  const WorkerId worker = join("w@host");
  for (int i = 0; i < 10; ++i) {
    const JobId job = when_job_added();
    happen(AttemptFailed{worker, job, 1, FailCode::kInternal, false, "disk", /*by_worker=*/false});
  }
  EXPECT_FALSE(scheduler_.worker(worker)->ejected);
}

TEST_F(SchedulerHealth, RemembersAWorkerThatDiesOfEachImage) {
  const WorkerId good = join("good@host", 64);
  for (int life = 0; life < 3; ++life) {
    const WorkerId again = join("dies@host");
    while (in_flight(again) == 0) when_job_added();
    when_worker_leaves(again);
  }
  EXPECT_EQ(scheduler_.counters().ejections, 1u);
  const WorkerId again = join("dies@host");
  EXPECT_TRUE(scheduler_.worker(again)->ejected) << "another process, the same worker";
  const WorkerId other = join("other@host");
  EXPECT_FALSE(scheduler_.worker(other)->ejected);
  EXPECT_GT(in_flight(good), 0u);
  when_worker_leaves(again);  // its timer goes with it
  while (scheduler_.next_deadline() && scheduler_.counters().timed_out == 0) {
    when_next_deadline_comes();
  }
}

TEST_F(SchedulerHealth, OneThatAnswersBetweenItsDeathsIsWelcomeEachTime) {
  for (int life = 0; life < 10; ++life) {
    const WorkerId worker = join("flaky@host", 2);
    const JobId good = when_job_added();
    when_job_added();
    when_succeeds(worker, good, scheduler_.job(good)->attempts);
    when_worker_leaves(worker);
  }
  EXPECT_EQ(scheduler_.counters().ejections, 0u);
}

}  // namespace
}  // namespace imgrec::manager
