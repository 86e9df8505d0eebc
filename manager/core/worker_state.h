// One worker as the scheduler sees it: what it holds, how fast it is, whether it can be trusted
// with more.
//
// Thread rule: confined to one thread.
// Owns: the attempts that are out on this worker, oldest first. Borrows the scheduler's options.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>

#include "manager/core/link_time.h"
#include "manager/core/scheduler.h"
#include "manager/core/service_time.h"
#include "manager/core/worker_health.h"

namespace imgrec::manager {

// One assignment that has not ended. It occupies one unit of its worker's credit.
struct Attempt {
  JobId job;
  std::uint32_t number = 0;  // from 1, per job
  WorkerId worker;
  TimePoint assigned;
  TimePoint began;         // valid while computing
  bool computing = false;  // as far as we can tell: workers take their attempts in order
  std::chrono::milliseconds timeout{};
  TimePoint timer;         // its entry in the timer queue
  bool timed_out = false;  // resent elsewhere; its answer is still welcome
  bool in_hand = false;    // computed, as far as we can tell, when its worker became a suspect
  bool struck = false;     // timing out, it was a strike for its job
  bool isolated = false;   // counted in WorkerState::isolated_
  bool hedge = false;      // the second copy of a slow attempt
  std::uint64_t bytes = 0;
  // When its answer is expected, as far as could be told when it was assigned; nullopt: it could
  // not.
  std::optional<TimePoint> expected;
};
using AttemptList = std::list<Attempt>;
using AttemptRef = AttemptList::iterator;

class WorkerState {
 public:
  WorkerState(WorkerId id, const SchedulerOptions& options) : id_(id), options_(options) {}

  // ---- what it holds ----
  AttemptRef assign(const Attempt& attempt, TimePoint now);
  // The attempt ended: answered, cancelled or given up for good.
  void release(AttemptRef attempt, TimePoint now);
  // True: this is a slowness of its own, and not part of one that was noticed before.
  bool mark_timed_out(AttemptRef attempt, TimePoint now);
  AttemptList& attempts() { return attempts_; }

  // The attempt is among those that the worker can be working on: computing on its streams, or
  // decoding ahead. If the worker dies now, one of these is to blame.
  bool may_be_working_on(AttemptRef attempt);
  // Of a suspect: the job that alone can have made it one.
  std::optional<JobId> hung_by() const { return hung_by_; }
  // The worker says that it had not begun this one.
  void absolve(AttemptRef attempt);
  // It has answered something.
  void recover();

  // ---- how fast it is ----
  ServiceTime& service() { return service_; }
  const ServiceTime& service() const { return service_; }
  // The attempt is answered: measures from when its turn came. With a full pipeline that is when
  // the one before it was answered, else when it had arrived; the round trip is no service.
  // `computed`: what the worker says that it took (0: nothing), which is believed in window()
  // alone, and within limits.
  void measure(const Attempt& attempt, std::chrono::microseconds computed, TimePoint now);
  LinkTime& link() { return link_; }
  const LinkTime& link() const { return link_; }
  // Until one more image would be done, given a service time of `mean_us` per image and stream.
  std::uint64_t expected_completion_us(std::uint64_t mean_us) const;
  // Attempts to have out at once: a batch for each stream, one to come next, and as many as are on
  // the way there and back meanwhile. Within the credit.
  unsigned window() const;
  // What an image takes it, for window(), as long as it has not been measured.
  void presume_service(std::int64_t mean_us) { presumed_us_ = std::max(mean_us, kLeastPresumedUs); }

  // ---- whether it gets more ----
  bool has_room() const;
  // Counts as an alternative: a job may wait for it rather than go back where it failed.
  bool usable() const { return !draining && !suspect && !health_.ejected() && credit_ > 0; }
  // Has nothing to do.
  bool idle() const { return has_room() && attempts_.size() < streams_; }
  WorkerHealth& health() { return health_; }
  const WorkerHealth& health() const { return health_; }
  bool holds_isolated() const { return isolated_ > 0; }
  // Its job has become suspicious since it was assigned.
  void isolate(AttemptRef attempt) {
    if (attempt->isolated) return;
    attempt->isolated = true;
    ++isolated_;
  }

  WorkerId id() const { return id_; }
  unsigned credit() const { return credit_; }
  unsigned streams() const { return streams_; }
  unsigned in_flight() const { return static_cast<unsigned>(attempts_.size()); }
  void resize(unsigned credit, unsigned streams) {
    credit_ = credit;
    streams_ = streams == 0 ? 1 : streams;
  }
  // Each stream computes so many attempts together. Otherwise it counts as computing one after the
  // other: the mean of their times is the same, and a worker with something in hand is no better
  // than an idle one.
  void set_batch(unsigned batch) { batch_ = std::max(batch, 1u); }

  std::string identity;
  bool draining = false;
  bool suspect = false;    // an attempt timed out, and it has answered nothing since
  bool paused = false;     // it said it holds too much; ends with an answer or at pause_ends
  TimePoint pause_ends{};  // valid while paused

  // What the scheduler's sums hold of this worker at present; only the scheduler touches it.
  struct Counted {
    bool usable = false;
    std::int64_t mean_us = 0;  // 0: not among the measured
    std::int64_t speed = 0;    // images in 1000 s; 0: not usable, or not measured
    std::int64_t in_flight = 0;
    std::int64_t rtt_us = 0;
  };
  Counted counted;

 private:
  static constexpr std::int64_t kPresumedUs = 100'000;
  static constexpr std::int64_t kLeastPresumedUs = 10'000;

  void begin_waiting(TimePoint now);
  void find_culprit();  // hung_by_, where one attempt alone is in hand

  WorkerId id_;
  const SchedulerOptions& options_;
  unsigned credit_ = 0;
  unsigned streams_ = 1;
  unsigned batch_ = 1;
  ServiceTime service_;
  std::int64_t presumed_us_ = kPresumedUs;
  std::int64_t computed_us_ = 0;  // smoothed; 0: it does not say
  LinkTime link_;
  WorkerHealth health_;
  AttemptList attempts_;
  unsigned computing_ = 0;  // attempts with `computing`
  unsigned timed_out_ = 0;  // attempts with `timed_out`
  unsigned isolated_ = 0;   // attempts with `isolated`
  std::uint64_t bytes_out_ = 0;
  TimePoint last_timeout_{};
  std::optional<JobId> hung_by_;
};

}  // namespace imgrec::manager
