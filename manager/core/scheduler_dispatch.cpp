#include <tuple>

#include "manager/core/scheduler_impl.h"

namespace imgrec::manager {
namespace {

// Retries that no free worker may take are skipped, but only so many at a time: an event's cost
// must not grow with the number of jobs that wait for one busy worker.
constexpr unsigned kMaxSkippedRetries = 64;

}  // namespace

void Scheduler::Impl::dispatch() {
  hedge_check_.reset();
  if (!assigns_) return;
  dispatch_retries();
  const Job never_assigned;  // goes anywhere
  while (!with_room_.empty() && !queue_.empty()) {
    WorkerState* worker = choose_worker(never_assigned);
    if (better_left_to_others(*worker)) break;
    assign(find_job(queue_.pop()), *worker);
  }
  dispatch_hedges();
}

void Scheduler::Impl::dispatch_retries() {
  unsigned skipped = 0;
  auto next = retries_.begin();
  while (next != retries_.end() && !with_room_.empty() && skipped < kMaxSkippedRetries) {
    const auto job = find_job(*next);
    if (WorkerState* worker = choose_worker(job->second)) {
      next = retries_.erase(next);
      ++counters_.resent;
      assign(job, *worker);
    } else {
      ++skipped;
      ++next;
    }
  }
}

// True: every worker that could be waited for is one to avoid.
bool Scheduler::Impl::no_alternative(const Job& job) const {
  std::size_t avoided = 0;
  for (const WorkerId id : job.avoid) {
    const auto worker = workers_.find(id);
    if (worker != workers_.end() && worker->second.usable()) ++avoided;
  }
  return avoided == usable_;
}

bool Scheduler::Impl::may_go_to(const Job& job, const WorkerState& worker, bool anywhere) const {
  // It has the job already.
  for (const AttemptRef attempt : job.out) {
    if (attempt->worker == worker.id()) return false;
  }
  // Jobs that may be to blame for a dead worker go apart from one another: whichever it was, the
  // next strike cannot hit two.
  if (!job.strikes.empty() && worker.holds_isolated()) return false;
  return anywhere || !contains(job.avoid, worker.id());
}

WorkerState* Scheduler::Impl::choose_worker(const Job& job) {
  const bool anywhere = job.avoid.empty() || no_alternative(job);
  WorkerState* best = nullptr;
  std::tuple<bool, bool, std::uint64_t, unsigned> best_cost;
  for (const WorkerId id : with_room_) {
    WorkerState& worker = workers_.at(id);
    if (!may_go_to(job, worker, anywhere)) continue;
    const std::tuple cost{contains(job.avoid, id), worker.suspect,
                          worker.expected_completion_us(service_us_of(worker)), worker.in_flight()};
    if (best == nullptr || cost < best_cost) {
      best = &worker;
      best_cost = cost;
    }
  }
  return best;
}

bool Scheduler::Impl::better_left_to_others(const WorkerState& worker) const {
  if (!worker.service().measured()) return false;
  const std::int64_t speed = speed_sum_ - worker.counted.speed;
  const std::int64_t in_flight = usable_in_flight_ - worker.counted.in_flight;
  // Something must be going on there, whose end brings us back here.
  if (speed <= 0 || in_flight <= 0) return false;
  const auto waiting = static_cast<std::int64_t>(queue_.size() + retries_.size());
  const auto others = static_cast<std::int64_t>(usable_) - (worker.counted.usable ? 1 : 0);
  // All that is out and waits, and one image more on each.
  const std::int64_t others_us =
      (in_flight + waiting + others) * kThousandSecondsUs / speed +
      (usable_rtt_us_ - worker.counted.rtt_us) / std::max<std::int64_t>(others, 1);
  return static_cast<std::int64_t>(worker.expected_completion_us(service_us_of(worker))) >
         others_us;
}

AttemptRef Scheduler::Impl::assign(Jobs::iterator entry, WorkerState& worker) {
  Job& job = entry->second;
  ++job.attempts;
  ++counters_.assigned;
  if (job.attempts == 1) {
    job.first_assigned = now_;
    hedge_budget_.on_assignment();
  }
  if (job.out.empty()) ++jobs_out_;
  job.place = Place::kOut;
  job.newest = worker.id();

  Attempt attempt;
  attempt.job = entry->first;
  attempt.number = job.attempts;
  attempt.worker = worker.id();
  attempt.assigned = now_;
  attempt.bytes = job.bytes;
  attempt.timeout =
      worker.service().timeout({.in_front = worker.in_flight(),
                                .streams = worker.streams(),
                                .others_mean_us = measured_ == 0 ? 0 : mean_service_us(),
                                .rtt = worker.link().latest()},
                               options_);
  attempt.isolated = !job.strikes.empty();
  if (worker.service().measured() || measured_ > 0) {
    attempt.expected =
        now_ + std::chrono::microseconds(worker.expected_completion_us(service_us_of(worker)));
  }
  const AttemptRef ref = worker.assign(attempt, now_);
  job.out.push_back(ref);
  set_timer(*ref, now_ + ref->timeout);
  refresh(worker);
  expect(ref);
  actions_.push_back(AssignJob{worker.id(), entry->first, job.attempts, ref->timeout});
  return ref;
}

std::uint64_t Scheduler::Impl::service_us_of(const WorkerState& worker) const {
  return static_cast<std::uint64_t>(worker.service().measured() ? worker.service().mean_us()
                                                                : mean_service_us());
}

// What an unmeasured worker is taken to need: as long as the others do.
std::int64_t Scheduler::Impl::mean_service_us() const {
  return measured_ == 0 ? 1 : measured_sum_us_ / static_cast<std::int64_t>(measured_);
}

}  // namespace imgrec::manager
