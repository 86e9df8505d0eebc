// The scheduler decides which worker recognises which image, and when a job is settled.
// Pure: events and time in, intentions out. It does no I/O and reads no clock.
//
// Thread rule: confined to one thread (the manager's control thread).
// Owns: the state of every open job and of every registered worker. Knows neither image bytes nor
// results: the shell keeps those and attaches them to the actions.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/ids.h"
#include "proto/messages.h"

namespace imgrec::manager {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// ---- events: what happened --------------------------------------------------------------------
struct JobAdded {
  JobId job;
  SessionId session;
  std::uint64_t bytes = 0;
};
struct JobCancelled {  // its client deleted it
  JobId job;
};
struct WorkerJoined {
  WorkerId worker;
  unsigned credit = 1;   // attempts it will hold at once, at most
  unsigned streams = 1;  // attempts it computes at once
  // Who it is across connections, as far as can be told ("name@host"): what it did wrong before is
  // remembered under it. Empty: nobody.
  std::string identity{};
};
struct WorkerMeasured {  // its link
  WorkerId worker;
  std::chrono::microseconds rtt{};
  bool guessed = false;  // until the next one says better
};
struct WorkerBatches {  // each of its streams computes so many attempts together, in less time
  WorkerId worker;
  unsigned batch = 1;
};
struct WorkerLeft {  // disconnected, for whatever reason: its attempts go back at once
  WorkerId worker;
};
struct WorkerDraining {  // takes nothing new; finishes or hands back what it has
  WorkerId worker;
};
struct AttemptSucceeded {
  WorkerId worker;
  JobId job;
  std::uint32_t attempt = 0;
  bool from_cache = false;  // repeated, not computed: says nothing of the worker's speed
  // What the worker says that decoding and inference took; 0: nothing.
  std::chrono::microseconds computed{};
};
struct AttemptFailed {
  WorkerId worker;
  JobId job;
  std::uint32_t attempt = 0;
  proto::FailCode code = proto::FailCode::kInternal;
  bool retriable = true;
  std::string text;
  bool by_worker = true;  // false: the manager itself could not carry the assignment out
};
struct AssignNothingMore {};  // the manager leaves: what is out may finish, nothing else begins
struct Tick {};               // time passed; send it when next_deadline() is reached
using Event =
    std::variant<JobAdded, JobCancelled, WorkerJoined, WorkerMeasured, WorkerBatches, WorkerLeft,
                 WorkerDraining, AttemptSucceeded, AttemptFailed, AssignNothingMore, Tick>;

// ---- actions: what is to be done --------------------------------------------------------------
struct AssignJob {
  WorkerId worker;
  JobId job;
  std::uint32_t attempt = 0;
  std::chrono::milliseconds deadline{};  // the scheduler resends after this long
};
struct CancelAttempt {
  WorkerId worker;
  JobId job;
  std::uint32_t attempt = 0;
  proto::CancelReason reason = proto::CancelReason::kSettledElsewhere;
};
struct SettleDone {  // the attempt just reported won; the shell has its result at hand
  JobId job;
  WorkerId worker;
  std::uint32_t attempts = 0;          // assignments made for this job in all
  std::chrono::microseconds queued{};  // JobAdded to the first assignment
  std::chrono::microseconds flight{};  // winning assignment to its result
};
struct SettleFailed {
  JobId job;
  std::uint32_t attempts = 0;
  std::string code;    // stable, for programs: "damaged_image", "quarantined"
  std::string detail;  // for people
};
struct DropReport {  // late, duplicate or unknown: counted, otherwise ignored
  WorkerId worker;
  JobId job;
  std::uint32_t attempt = 0;
};
using Action = std::variant<AssignJob, CancelAttempt, SettleDone, SettleFailed, DropReport>;

struct SchedulerOptions {
  // Before any worker has been measured, an attempt is resent after this long.
  std::chrono::milliseconds initial_timeout{20'000};
  std::chrono::milliseconds min_timeout{2'000};
  std::chrono::milliseconds max_timeout{120'000};
  // An attempt times out after two round trips and this many times the worker's own measured
  // service time, counting what was in front of it.
  double timeout_factor = 6.0;
  // A worker is sent as many attempts as keep it busy over its round trip, and at least this many,
  // within its credit; 0: streams + 1, so that the next image is there when one is done, times what
  // each stream computes together.
  unsigned min_window = 0;
  // A worker that has this many bytes of images unanswered gets no more, whatever its credit.
  std::uint64_t max_bytes_out = 64ull << 20;
  // Second copies of slow attempts, in per cent of all assignments, and two at first; 0: none.
  // Only a worker with nothing to do gets one.
  unsigned hedge_percent = 5;
  // A job that killed or timed out this many attempts, on distinct workers where there are that
  // many, fails as quarantined.
  unsigned quarantine_after = 3;
};

struct SchedulerCounters {
  std::uint64_t assigned = 0;    // attempts handed out
  std::uint64_t resent = 0;      // of those, second and later ones
  std::uint64_t timed_out = 0;   // attempts given up
  std::uint64_t dropped = 0;     // late, duplicate or unknown reports
  std::uint64_t requeued = 0;    // attempts lost with their worker, or handed back
  std::uint64_t hedged = 0;      // second copies of slow attempts; not counted as resent
  std::uint64_t hedges_won = 0;  // of those, the ones that were done first
  std::uint64_t ejections = 0;   // workers left out for a while
};

class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options = {});
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Applies one event. The actions are to be carried out in order.
  // REQUIRES: `now` never goes back.
  [[nodiscard]] std::vector<Action> on_event(const Event& event, TimePoint now);

  // When to send Tick next; nullopt when nothing is timed.
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;

  // ---- for figures and for the image's JSON ----
  struct WorkerView {
    unsigned credit = 0;
    unsigned window = 0;  // how much of the credit is used at present
    unsigned in_flight = 0;
    bool draining = false;
    bool ejected = false;                      // left out for a while: it kept failing
    std::chrono::microseconds service_time{};  // smoothed, per image; 0 until measured
  };
  struct JobView {
    bool assigned = false;  // at least one attempt is out
    std::uint32_t attempts = 0;
    WorkerId worker;  // of the newest attempt
  };
  [[nodiscard]] std::optional<WorkerView> worker(WorkerId worker) const;
  [[nodiscard]] std::optional<JobView> job(JobId job) const;
  // The attempt is out on this worker.
  [[nodiscard]] bool holds(WorkerId worker, JobId job, std::uint32_t attempt) const;
  [[nodiscard]] std::size_t open_jobs() const;    // queued and assigned
  [[nodiscard]] std::size_t queued_jobs() const;  // without an attempt out
  [[nodiscard]] const SchedulerCounters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imgrec::manager
