// A scheduler on a clock moved by hand, with verbs for what happens to it. Test code only.
//
// Thread rule: confined to one thread. Owns: the scheduler and the actions of the last event.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "manager/core/scheduler.h"

namespace imgrec::manager {

class SchedulerStory : public ::testing::Test {
 protected:
  WorkerId given_worker(unsigned credit = 1, unsigned streams = 1) {
    const WorkerId worker{++last_worker_};
    happen(WorkerJoined{worker, credit, streams});
    return worker;
  }
  // A worker that has answered once, and took `service` for it.
  WorkerId given_measured_worker(Duration service, unsigned credit = 1, unsigned streams = 1) {
    const WorkerId worker = given_worker(credit, streams);
    const JobId probe = when_job_added("probe");
    EXPECT_EQ(worker_of(probe), worker) << "the others must be busy";
    pass(service);
    when_succeeds(worker, probe);
    return worker;
  }
  JobId when_job_added(const std::string& session = "anna") {
    const JobId job{++last_job_};
    happen(JobAdded{job, SessionId{session}, 100'000});
    return job;
  }
  void when_worker_leaves(WorkerId worker) { happen(WorkerLeft{worker}); }
  void when_worker_drains(WorkerId worker) { happen(WorkerDraining{worker}); }
  void when_cancelled(JobId job) { happen(JobCancelled{job}); }
  void when_succeeds(WorkerId worker, JobId job, std::uint32_t attempt = 1) {
    happen(AttemptSucceeded{worker, job, attempt});
  }
  void when_fails(WorkerId worker, JobId job, std::uint32_t attempt, proto::FailCode code,
                  bool retriable, std::string text = "It did not work.") {
    happen(AttemptFailed{worker, job, attempt, code, retriable, std::move(text)});
  }
  // Moves the clock without telling the scheduler.
  void pass(Duration duration) { now_ += duration; }
  // Moves the clock to the scheduler's next deadline, and tells it.
  void when_next_deadline_comes() {
    ASSERT_TRUE(scheduler_.next_deadline().has_value());
    now_ = std::max(now_, *scheduler_.next_deadline());
    happen(Tick{});
  }
  void happen(const Event& event) { actions_ = scheduler_.on_event(event, now_); }

  // The actions of the last event that are of one kind.
  template <class T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Action& action : actions_) {
      if (const auto* one = std::get_if<T>(&action)) found.push_back(*one);
    }
    return found;
  }
  template <class T>
  T only() const {
    const auto found = all<T>();
    EXPECT_EQ(found.size(), 1u) << "of " << actions_.size() << " actions";
    return found.empty() ? T{} : found.front();
  }
  WorkerId worker_of(JobId job) const {
    const auto view = scheduler_.job(job);
    return view && view->assigned ? view->worker : WorkerId{};
  }
  unsigned in_flight(WorkerId worker) const { return scheduler_.worker(worker)->in_flight; }
  std::chrono::milliseconds deadline_of_last_assignment() const {
    return only<AssignJob>().deadline;
  }

  // Stories about one thing only: all of the credit is used at once, and nothing is hedged.
  static SchedulerOptions plain() {
    SchedulerOptions options;
    options.min_window = 1000;
    options.hedge_percent = 0;
    return options;
  }
  explicit SchedulerStory(SchedulerOptions options = plain()) : scheduler_(options) {}

  TimePoint now_{std::chrono::hours(1)};
  Scheduler scheduler_;
  std::vector<Action> actions_;

 private:
  std::uint64_t last_worker_ = 0;
  std::uint64_t last_job_ = 0;
};

}  // namespace imgrec::manager
