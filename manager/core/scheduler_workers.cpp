#include <algorithm>
#include <utility>

#include "manager/core/scheduler_impl.h"

namespace imgrec::manager {
namespace {

// A worker that says it holds too much gets nothing for this long, or until it answers.
constexpr std::chrono::milliseconds kOverCreditPause{100};

}  // namespace

// ---- events -----------------------------------------------------------------------------------

void Scheduler::Impl::handle(const WorkerJoined& event) {
  const auto [found, added] = workers_.try_emplace(event.worker, event.worker, options_);
  WorkerState& worker = found->second;
  worker.resize(event.credit, event.streams);
  if (added) {
    worker.identity = event.identity;
    if (measured_ > 0) worker.presume_service(mean_service_us());
    worker.health() = reputation_.recall(event.identity, now_);
    if (worker.health().ejected()) {
      timers_.add(Timer{worker.health().ejected_until(), worker.id(), JobId{}, Timer::kEjection});
    }
  }
  refresh(worker);
}

void Scheduler::Impl::handle(const WorkerMeasured& event) {
  const auto found = workers_.find(event.worker);
  if (found == workers_.end()) return;
  if (event.guessed) {
    found->second.link().guess(event.rtt);
  } else {
    found->second.link().add(event.rtt);
  }
  refresh(found->second);
}

void Scheduler::Impl::handle(const WorkerBatches& event) {
  const auto found = workers_.find(event.worker);
  if (found == workers_.end()) return;
  found->second.set_batch(event.batch);
  refresh(found->second);
}

void Scheduler::Impl::handle(const WorkerLeft& event) {
  const auto found = workers_.find(event.worker);
  if (found == workers_.end()) return;
  WorkerState& worker = found->second;
  const bool died = !worker.draining;  // one that was leaving anyway was not killed
  std::vector<AttemptRef> lost;
  std::vector<bool> blamed;
  for (auto each = worker.attempts().begin(); each != worker.attempts().end(); ++each) {
    lost.push_back(each);
    unexpect(each);
    blamed.push_back(died && !each->timed_out && to_blame(each));
  }
  if (died && !lost.empty()) blame(worker);
  reputation_.remember(worker.identity, worker.health(), now_);
  uncount(worker);
  unpause(worker);
  if (worker.health().ejected()) {
    timers_.remove(Timer{worker.health().ejected_until(), worker.id(), JobId{}, Timer::kEjection});
  }
  auto gone = workers_.extract(found);  // keeps the attempts until they are handled

  for (std::size_t i = 0; i < lost.size(); ++i) {
    const auto job = find_job(lost[i]->job);
    clear_timer(*lost[i]);
    remove_out(job->second, lost[i]);
    if (!lost[i]->timed_out) ++counters_.requeued;
    if (died) ++job->second.losses;
    if (blamed[i]) strike(job->second, event.worker);
    retry_or_quarantine(job);
  }
}

void Scheduler::Impl::handle(const WorkerDraining& event) {
  const auto found = workers_.find(event.worker);
  if (found == workers_.end()) return;
  found->second.draining = true;
  refresh(found->second);
}

void Scheduler::Impl::on_worker_timer(const Timer& timer) {
  WorkerState& worker = workers_.at(timer.worker);
  if (timer.attempt == Timer::kPause) {
    worker.paused = false;
  } else {
    worker.health().on_probation_begins();
  }
  refresh(worker);
}

// ---- bookkeeping ------------------------------------------------------------------------------

void Scheduler::Impl::answered(WorkerState& worker) {
  worker.recover();
  unpause(worker);
  refresh(worker);
}

void Scheduler::Impl::pause(WorkerState& worker) {
  unpause(worker);
  worker.paused = true;
  worker.pause_ends = now_ + kOverCreditPause;
  timers_.add(Timer{worker.pause_ends, worker.id(), JobId{}, Timer::kPause});
}

void Scheduler::Impl::unpause(WorkerState& worker) {
  if (!worker.paused) return;
  worker.paused = false;
  timers_.remove(Timer{worker.pause_ends, worker.id(), JobId{}, Timer::kPause});
}

void Scheduler::Impl::blame(WorkerState& worker) {
  if (!worker.health().on_failure(now_)) return;
  ++counters_.ejections;
  timers_.add(Timer{worker.health().ejected_until(), worker.id(), JobId{}, Timer::kEjection});
  refresh(worker);
}

void Scheduler::Impl::refresh(WorkerState& worker) {
  uncount(worker);
  const std::int64_t mean_us = worker.service().mean_us();
  worker.counted = {
      .usable = worker.usable(), .mean_us = mean_us, .speed = 0, .in_flight = 0, .rtt_us = 0};
  if (worker.counted.usable) {
    ++usable_;
    if (mean_us != 0) worker.counted.speed = worker.streams() * kThousandSecondsUs / mean_us;
    worker.counted.in_flight = worker.in_flight();
    worker.counted.rtt_us = worker.link().least().count();
  }
  speed_sum_ += worker.counted.speed;
  usable_in_flight_ += worker.counted.in_flight;
  usable_rtt_us_ += worker.counted.rtt_us;
  if (worker.counted.mean_us != 0) ++measured_;
  measured_sum_us_ += worker.counted.mean_us;
  if (worker.has_room()) with_room_.insert(worker.id());
}

void Scheduler::Impl::uncount(WorkerState& worker) {
  if (worker.counted.usable) --usable_;
  if (worker.counted.mean_us != 0) --measured_;
  measured_sum_us_ -= worker.counted.mean_us;
  speed_sum_ -= worker.counted.speed;
  usable_in_flight_ -= worker.counted.in_flight;
  usable_rtt_us_ -= worker.counted.rtt_us;
  worker.counted = {};
  with_room_.erase(worker.id());
}

// ---- figures ----------------------------------------------------------------------------------

std::optional<Scheduler::WorkerView> Scheduler::Impl::worker(WorkerId id) const {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return std::nullopt;
  const WorkerState& worker = found->second;
  return WorkerView{.credit = worker.credit(),
                    .window = worker.window(),
                    .in_flight = worker.in_flight(),
                    .draining = worker.draining,
                    .ejected = worker.health().ejected(),
                    .service_time = std::chrono::microseconds(worker.service().mean_us())};
}

}  // namespace imgrec::manager
