// The inside of the scheduler. scheduler.cpp applies events; scheduler_dispatch.cpp chooses which
// job goes where; scheduler_hedge.cpp sends second copies of slow attempts; scheduler_workers.cpp
// keeps the book of workers.
//
// A job's way: JobAdded -> fair queue -> out -> settled, and forgotten. When its attempts end
// badly or time out it goes from "out" to the retry lane, which comes before the fair queue.
//
// Thread rule: as Scheduler. Owns: everything that Scheduler owns.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "manager/core/fair_queue.h"
#include "manager/core/hedge_budget.h"
#include "manager/core/reputation.h"
#include "manager/core/scheduler.h"
#include "manager/core/timer_queue.h"
#include "manager/core/worker_state.h"

namespace imgrec::manager {

class Scheduler::Impl {
 public:
  explicit Impl(SchedulerOptions options)
      : options_(options), hedge_budget_(options.hedge_percent) {}

  std::vector<Action> on_event(const Event& event, TimePoint now);
  std::optional<TimePoint> next_deadline() const;
  std::optional<WorkerView> worker(WorkerId id) const;
  std::optional<JobView> job(JobId id) const;
  bool holds(WorkerId worker, JobId job, std::uint32_t attempt) const;
  std::size_t open_jobs() const { return jobs_.size(); }
  std::size_t queued_jobs() const { return jobs_.size() - jobs_out_; }
  const SchedulerCounters& counters() const { return counters_; }

 private:
  static constexpr std::int64_t kThousandSecondsUs = 1'000'000'000;

  enum class Place { kFairQueue, kRetryLane, kOut };

  // An attempt whose slot was taken back. Its answer still wins if it comes first.
  struct WrittenOff {
    std::uint32_t number = 0;
    WorkerId worker;
    TimePoint assigned;
    bool hedge = false;
  };

  struct Job {
    SessionId session;
    std::uint64_t bytes = 0;
    TimePoint added;
    TimePoint first_assigned;
    Place place = Place::kFairQueue;
    std::uint32_t attempts = 0;
    WorkerId newest;              // worker of the newest attempt
    std::vector<AttemptRef> out;  // attempts that have not ended
    std::vector<WrittenOff> written_off;
    std::vector<WorkerId> avoid;    // failed or timed out there: others first
    std::vector<WorkerId> strikes;  // killed or hung these, as far as we can tell, once each time
    unsigned forgiven = 0;          // strikes taken back
    unsigned losses = 0;            // was on a worker that died, whether or not it is to blame
    unsigned failures = 0;          // retriable failures
    bool hedged = false;            // has had its second copy

    bool live() const;  // an attempt is out that has not timed out
  };

  using Jobs = std::unordered_map<JobId, Job>;
  using Workers = std::map<WorkerId, WorkerState>;

  // ---- events ----
  void handle(const JobAdded& event);
  void handle(const JobCancelled& event);
  void handle(const WorkerJoined& event);
  void handle(const WorkerMeasured& event);
  void handle(const WorkerBatches& event);
  void handle(const WorkerLeft& event);
  void handle(const WorkerDraining& event);
  void handle(const AttemptSucceeded& event);
  void handle(const AttemptFailed& event);
  void handle(const AssignNothingMore&) { assigns_ = false; }
  void handle(const Tick&) {}
  void expire();
  void on_attempt_timer(const Timer& timer);
  void on_worker_timer(const Timer& timer);

  // ---- the life of a job ----
  void win(Jobs::iterator job, const AttemptSucceeded& event, TimePoint assigned, bool hedge);
  void settle_failed(Jobs::iterator job, std::string code, std::string detail,
                     proto::CancelReason reason);
  void time_out(Jobs::iterator job, AttemptRef attempt);
  void stop_waiting_for(Job& job, AttemptRef attempt);
  void write_off(Jobs::iterator job, AttemptRef attempt);
  void hand_back(Jobs::iterator job, AttemptRef attempt, const AttemptFailed& event);
  bool to_blame(AttemptRef attempt);
  void strike(Job& job, WorkerId worker);
  void forgive(Job& job, AttemptRef attempt);
  // After an attempt ended badly or timed out: another one, unless one is out or it is enough.
  void retry_or_quarantine(Jobs::iterator job);
  bool to_be_quarantined(const Job& job) const;
  // Ends every attempt that is out, with a CancelAttempt each.
  void cancel_attempts(Job& job, proto::CancelReason reason);
  void forget(Jobs::iterator job);
  void drop(WorkerId worker, JobId job, std::uint32_t attempt);

  // ---- bookkeeping ----
  static bool contains(const std::vector<WorkerId>& ids, WorkerId id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  }
  Jobs::iterator find_job(JobId id) { return jobs_.find(id); }
  static std::vector<AttemptRef>::iterator find_out(Job& job, WorkerId worker,
                                                    std::uint32_t number);
  void release(Job& job, AttemptRef attempt);  // `attempt` is gone after this
  void remove_out(Job& job, AttemptRef attempt);
  void set_timer(Attempt& attempt, TimePoint at);
  void clear_timer(const Attempt& attempt);
  void answered(WorkerState& worker);
  void pause(WorkerState& worker);
  void unpause(WorkerState& worker);
  void blame(WorkerState& worker);    // it failed: one more of these and it may be left out
  void refresh(WorkerState& worker);  // after every change of a worker: keeps the sums right
  void uncount(WorkerState& worker);

  // ---- dispatch (scheduler_dispatch.cpp) ----
  void dispatch();
  void dispatch_retries();
  bool no_alternative(const Job& job) const;
  bool may_go_to(const Job& job, const WorkerState& worker, bool anywhere) const;
  // The worker with room that would be done first; nullptr: none may take it.
  WorkerState* choose_worker(const Job& job);
  // True: what waits would be done sooner by the others than one image by this one. A slow worker
  // takes part in long work, and does not hold up the end of it.
  bool better_left_to_others(const WorkerState& worker) const;
  AttemptRef assign(Jobs::iterator job, WorkerState& worker);
  std::int64_t mean_service_us() const;
  std::uint64_t service_us_of(const WorkerState& worker) const;

  // ---- hedging (scheduler_hedge.cpp) ----
  void dispatch_hedges();
  // An idle worker, the one that would be done first; nullptr: there is none.
  WorkerState* choose_idle_worker();
  struct HedgeChoice {
    std::optional<AttemptRef> slowest;  // the attempt whose answer is furthest away
    TimePoint first_due;                // of all candidates; valid where there is one
  };
  // Among the attempts that `worker` may have a copy of.
  HedgeChoice choose_hedge(const WorkerState& worker);
  bool may_be_hedged(AttemptRef attempt, const WorkerState& worker);
  Duration time_left(const Attempt& attempt) const;
  void expect(AttemptRef attempt);    // it may be hedged from now on
  void unexpect(AttemptRef attempt);  // it may not

  SchedulerOptions options_;
  SchedulerCounters counters_;
  Jobs jobs_;
  Workers workers_;
  FairQueue queue_;          // jobs never assigned
  std::set<JobId> retries_;  // jobs to be assigned again, oldest first
  TimerQueue timers_;
  std::set<WorkerId> with_room_;      // workers whose has_room() is true
  bool assigns_ = true;               // false after AssignNothingMore
  std::size_t jobs_out_ = 0;          // jobs with an attempt out
  std::size_t usable_ = 0;            // workers whose usable() is true
  std::int64_t measured_sum_us_ = 0;  // of the measured workers' mean service times
  std::size_t measured_ = 0;
  std::int64_t speed_sum_ = 0;         // of usable, measured workers: images in 1000 s
  std::int64_t usable_in_flight_ = 0;  // attempts out on usable workers
  std::int64_t usable_rtt_us_ = 0;     // of usable workers, in all
  Reputation reputation_;
  HedgeBudget hedge_budget_;
  struct Expected {
    TimePoint at;
    AttemptRef attempt;
    bool operator<(const Expected& other) const {
      return std::tie(at, attempt->job, attempt->number) <
             std::tie(other.at, other.attempt->job, other.attempt->number);
    }
  };
  std::set<Expected> expected_;           // attempts that may be hedged, by when they are expected
  std::optional<TimePoint> hedge_check_;  // when the oldest of them will be late enough

  TimePoint now_;                // of the event in hand
  std::vector<Action> actions_;  // of the event in hand
};

}  // namespace imgrec::manager
