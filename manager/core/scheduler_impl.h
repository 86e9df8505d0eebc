// The inside of the scheduler. scheduler.cpp applies events; scheduler_dispatch.cpp chooses which
// job goes where.
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
#include <unordered_map>
#include <vector>

#include "manager/core/fair_queue.h"
#include "manager/core/scheduler.h"
#include "manager/core/timer_queue.h"
#include "manager/core/worker_state.h"

namespace imgrec::manager {

class Scheduler::Impl {
 public:
  explicit Impl(SchedulerOptions options) : options_(options) {}

  std::vector<Action> on_event(const Event& event, TimePoint now);
  std::optional<TimePoint> next_deadline() const { return timers_.next(); }
  std::optional<WorkerView> worker(WorkerId id) const;
  std::optional<JobView> job(JobId id) const;
  bool holds(WorkerId worker, JobId job, std::uint32_t attempt) const;
  std::size_t open_jobs() const { return jobs_.size(); }
  std::size_t queued_jobs() const { return jobs_.size() - jobs_out_; }
  const SchedulerCounters& counters() const { return counters_; }

 private:
  enum class Place { kFairQueue, kRetryLane, kOut };

  // An attempt whose slot was taken back. Its answer still wins if it comes first.
  struct WrittenOff {
    std::uint32_t number = 0;
    WorkerId worker;
    TimePoint assigned;
  };

  struct Job {
    SessionId session;
    TimePoint added;
    TimePoint first_assigned;
    Place place = Place::kFairQueue;
    std::uint32_t attempts = 0;
    WorkerId newest;              // worker of the newest attempt
    std::vector<AttemptRef> out;  // attempts that have not ended
    std::vector<WrittenOff> written_off;
    std::vector<WorkerId> avoid;   // failed or timed out there: others first
    std::vector<WorkerId> struck;  // killed or hung these, once each
    unsigned strikes = 0;          // killed or hung a worker, as far as we can tell
    unsigned losses = 0;           // was on a worker that died, whether or not it is to blame
    unsigned failures = 0;         // retriable failures

    bool live() const;  // an attempt is out that has not timed out
  };

  using Jobs = std::unordered_map<JobId, Job>;
  using Workers = std::map<WorkerId, WorkerState>;

  // ---- events ----
  void handle(const JobAdded& event);
  void handle(const JobCancelled& event);
  void handle(const WorkerJoined& event);
  void handle(const WorkerMeasured& event);
  void handle(const WorkerLeft& event);
  void handle(const WorkerDraining& event);
  void handle(const AttemptSucceeded& event);
  void handle(const AttemptFailed& event);
  void handle(const Tick&) {}
  void expire();
  void on_attempt_timer(const Timer& timer);

  // ---- the life of a job ----
  void win(Jobs::iterator job, const AttemptSucceeded& event, TimePoint assigned);
  void settle_failed(Jobs::iterator job, std::string code, std::string detail,
                     proto::CancelReason reason);
  void time_out(Jobs::iterator job, AttemptRef attempt);
  void write_off(Jobs::iterator job, AttemptRef attempt);
  void hand_back(Jobs::iterator job, AttemptRef attempt, const AttemptFailed& event);
  bool to_blame(const Job& job, AttemptRef attempt);
  void strike(Job& job, WorkerId worker);
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
  void refresh(WorkerState& worker);  // after every change of a worker: keeps the sums right
  void uncount(WorkerState& worker);

  // ---- dispatch (scheduler_dispatch.cpp) ----
  void dispatch();
  void dispatch_retries();
  bool no_alternative(const Job& job) const;
  bool may_go_to(const Job& job, const WorkerState& worker, bool anywhere) const;
  // The worker with room that would be done first; nullptr: none may take it.
  WorkerState* choose_worker(const Job& job);
  void assign(Jobs::iterator job, WorkerState& worker);
  std::int64_t mean_service_us() const;

  SchedulerOptions options_;
  SchedulerCounters counters_;
  Jobs jobs_;
  Workers workers_;
  FairQueue queue_;          // jobs never assigned
  std::set<JobId> retries_;  // jobs to be assigned again, oldest first
  TimerQueue timers_;
  std::set<WorkerId> with_room_;      // workers whose has_room() is true
  std::size_t jobs_out_ = 0;          // jobs with an attempt out
  std::size_t usable_ = 0;            // workers whose usable() is true
  std::int64_t measured_sum_us_ = 0;  // of the measured workers' mean service times
  std::size_t measured_ = 0;

  TimePoint now_;                // of the event in hand
  std::vector<Action> actions_;  // of the event in hand
};

}  // namespace imgrec::manager
