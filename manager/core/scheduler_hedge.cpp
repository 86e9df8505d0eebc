// Second copies of slow attempts: where a worker has nothing to do and no job waits, it gets a copy
// of the attempt whose answer is furthest away, if it would be done well before. The first answer
// wins, and the loser is cancelled. The budget bounds the extra work.
#include <algorithm>

#include "manager/core/scheduler_impl.h"

namespace imgrec::manager {
namespace {

// How much sooner the copy must be: its own expected time is to be at most two thirds of what is
// left.
constexpr int kWorthNumerator = 3;
constexpr int kWorthDenominator = 2;

// Candidates looked at from either end: an event's cost must not grow with what is out.
constexpr int kMaxLooked = 8;

}  // namespace

void Scheduler::Impl::expect(AttemptRef attempt) {
  if (attempt->expected) expected_.insert({*attempt->expected, attempt});
}

void Scheduler::Impl::unexpect(AttemptRef attempt) {
  if (attempt->expected) expected_.erase({*attempt->expected, attempt});
}

void Scheduler::Impl::dispatch_hedges() {
  if (!queue_.empty() || !retries_.empty()) return;
  while (hedge_budget_.allows_one() && !expected_.empty()) {
    WorkerState* worker = choose_idle_worker();
    if (worker == nullptr) return;
    const HedgeChoice choice = choose_hedge(*worker);
    if (!choice.slowest) return;
    const AttemptRef slowest = *choice.slowest;
    const std::chrono::microseconds needed(worker->expected_completion_us(service_us_of(*worker)));
    const Duration worth = needed * kWorthNumerator / kWorthDenominator;
    if (time_left(*slowest) <= worth) {
      // The one that is due first will be worth it once it is that late.
      hedge_check_ = choice.first_due + worth + std::chrono::microseconds(1);
      return;
    }
    hedge_budget_.spend_one();
    ++counters_.hedged;
    const auto job = find_job(slowest->job);
    job->second.hedged = true;
    unexpect(slowest);
    const AttemptRef copy = assign(job, *worker);
    copy->hedge = true;
    unexpect(copy);
  }
}

WorkerState* Scheduler::Impl::choose_idle_worker() {
  WorkerState* best = nullptr;
  std::uint64_t best_us = 0;
  for (const WorkerId id : with_room_) {
    WorkerState& worker = workers_.at(id);
    if (!worker.idle() || worker.suspect || worker.health().on_probation()) continue;
    const std::uint64_t us = worker.expected_completion_us(service_us_of(worker));
    if (best != nullptr && us >= best_us) continue;
    best = &worker;
    best_us = us;
  }
  return best;
}

// Until the answer: as expected, or, where it is overdue, as much again as it is late already (what
// is late tends to be later).
Duration Scheduler::Impl::time_left(const Attempt& attempt) const {
  return *attempt.expected > now_ ? *attempt.expected - now_ : now_ - *attempt.expected;
}

bool Scheduler::Impl::may_be_hedged(AttemptRef attempt, const WorkerState& worker) {
  const Job& job = find_job(attempt->job)->second;
  return !job.hedged && job.out.size() == 1 && !attempt->timed_out && job.strikes.empty() &&
         attempt->worker != worker.id() && !contains(job.avoid, worker.id());
}

Scheduler::Impl::HedgeChoice Scheduler::Impl::choose_hedge(const WorkerState& worker) {
  HedgeChoice choice;
  const auto consider = [&](AttemptRef attempt) {
    if (!may_be_hedged(attempt, worker)) return;
    if (!choice.slowest) choice.first_due = *attempt->expected;
    choice.first_due = std::min(choice.first_due, *attempt->expected);
    if (!choice.slowest || time_left(*attempt) > time_left(**choice.slowest)) {
      choice.slowest = attempt;
    }
  };
  int looked = 0;
  for (auto each = expected_.begin(); each != expected_.end() && looked < kMaxLooked; ++each) {
    consider(each->attempt);
    ++looked;
  }
  looked = 0;
  for (auto each = expected_.rbegin(); each != expected_.rend() && looked < kMaxLooked; ++each) {
    consider(each->attempt);
    ++looked;
  }
  return choice;
}

}  // namespace imgrec::manager
