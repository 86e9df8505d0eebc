#include "manager/core/worker_state.h"

#include <algorithm>

namespace imgrec::manager {

AttemptRef WorkerState::assign(const Attempt& attempt, TimePoint now) {
  const auto ref = attempts_.insert(attempts_.end(), attempt);
  if (ref->isolated) ++isolated_;
  begin_waiting(now);
  return ref;
}

void WorkerState::release(AttemptRef attempt, TimePoint now) {
  if (attempt->computing) --computing_;
  if (attempt->timed_out) --timed_out_;
  if (attempt->isolated) --isolated_;
  attempts_.erase(attempt);
  begin_waiting(now);
}

void WorkerState::mark_timed_out(AttemptRef attempt, TimePoint now) {
  attempt->timed_out = true;
  ++timed_out_;
  if (attempt->isolated) {  // the next suspicious job need not wait for this one's answer
    attempt->isolated = false;
    --isolated_;
  }
  suspect = true;
  // A whole line that times out behind one slow image is one slowness, not many.
  if (attempt->assigned >= last_timeout_) {
    service_.on_timeout();
    last_timeout_ = now;
  }
}

bool WorkerState::may_be_working_on(AttemptRef attempt) {
  auto each = attempts_.begin();
  for (unsigned i = 0; i <= streams_ && each != attempts_.end(); ++i, ++each) {
    if (each == attempt) return true;
  }
  return false;
}

std::uint64_t WorkerState::expected_completion_us(std::uint64_t mean_us) const {
  const std::uint64_t outstanding = attempts_.size() + 1;  // with the one to be placed
  return std::max(mean_us, mean_us * outstanding / streams_);
}

bool WorkerState::has_room() const {
  if (draining || paused || attempts_.size() >= credit_) return false;
  // A suspect is probed with one attempt at a time: enough to notice that it is back.
  return !suspect || attempts_.size() == timed_out_;
}

void WorkerState::begin_waiting(TimePoint now) {
  for (auto each = attempts_.begin(); computing_ < streams_ && each != attempts_.end(); ++each) {
    if (each->computing) continue;
    each->computing = true;
    each->began = now;
    ++computing_;
  }
}

}  // namespace imgrec::manager
