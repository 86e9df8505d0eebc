#include <tuple>

#include "manager/core/scheduler_impl.h"

namespace imgrec::manager {
namespace {

// Retries that no free worker may take are skipped, but only so many at a time: an event's cost
// must not grow with the number of jobs that wait for one busy worker.
constexpr unsigned kMaxSkippedRetries = 64;

}  // namespace

void Scheduler::Impl::dispatch() {
  dispatch_retries();
  while (!with_room_.empty() && !queue_.empty()) {
    const auto job = find_job(queue_.pop());
    // A job that was never assigned goes anywhere.
    assign(job, *choose_worker(job->second));
  }
}

void Scheduler::Impl::dispatch_retries() {
  unsigned skipped = 0;
  auto next = retries_.begin();
  while (next != retries_.end() && !with_room_.empty() && skipped < kMaxSkippedRetries) {
    const auto job = find_job(*next);
    if (WorkerState* worker = choose_worker(job->second)) {
      next = retries_.erase(next);
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
  if (job.strikes > 0 && worker.holds_isolated()) return false;
  return anywhere || !contains(job.avoid, worker.id());
}

WorkerState* Scheduler::Impl::choose_worker(const Job& job) {
  const bool anywhere = job.avoid.empty() || no_alternative(job);
  const auto mean_us = static_cast<std::uint64_t>(mean_service_us());
  WorkerState* best = nullptr;
  std::tuple<bool, bool, std::uint64_t, unsigned> best_cost;
  for (const WorkerId id : with_room_) {
    WorkerState& worker = workers_.at(id);
    if (!may_go_to(job, worker, anywhere)) continue;
    const std::uint64_t own_us = worker.service().measured()
                                     ? static_cast<std::uint64_t>(worker.service().mean_us())
                                     : mean_us;
    const std::tuple cost{contains(job.avoid, id), worker.suspect,
                          worker.expected_completion_us(own_us), worker.in_flight()};
    if (best == nullptr || cost < best_cost) {
      best = &worker;
      best_cost = cost;
    }
  }
  return best;
}

void Scheduler::Impl::assign(Jobs::iterator entry, WorkerState& worker) {
  Job& job = entry->second;
  ++job.attempts;
  ++counters_.assigned;
  if (job.attempts == 1) {
    job.first_assigned = now_;
  } else {
    ++counters_.resent;
  }
  if (job.out.empty()) ++jobs_out_;
  job.place = Place::kOut;
  job.newest = worker.id();

  Attempt attempt;
  attempt.job = entry->first;
  attempt.number = job.attempts;
  attempt.worker = worker.id();
  attempt.assigned = now_;
  attempt.timeout = worker.service().timeout(worker.in_flight(), worker.streams(), options_);
  attempt.isolated = job.strikes > 0;
  const AttemptRef ref = worker.assign(attempt, now_);
  job.out.push_back(ref);
  set_timer(*ref, now_ + ref->timeout);
  refresh(worker);
  actions_.push_back(AssignJob{worker.id(), entry->first, job.attempts, ref->timeout});
}

// What an unmeasured worker is taken to need: as long as the others do.
std::int64_t Scheduler::Impl::mean_service_us() const {
  return measured_ == 0 ? 1 : measured_sum_us_ / static_cast<std::int64_t>(measured_);
}

}  // namespace imgrec::manager
