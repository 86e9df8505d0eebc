#include "manager/core/worker_state.h"

#include <algorithm>
#include <utility>

namespace imgrec::manager {

using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

constexpr int kLeastShare = 16;

}  // namespace

AttemptRef WorkerState::assign(const Attempt& attempt, TimePoint now) {
  const auto ref = attempts_.insert(attempts_.end(), attempt);
  if (ref->isolated) ++isolated_;
  bytes_out_ += ref->bytes;
  begin_waiting(now);
  return ref;
}

void WorkerState::release(AttemptRef attempt, TimePoint now) {
  if (attempt->computing) --computing_;
  if (attempt->timed_out) --timed_out_;
  if (attempt->isolated) --isolated_;
  bytes_out_ -= attempt->bytes;
  attempts_.erase(attempt);
  begin_waiting(now);
}

bool WorkerState::mark_timed_out(AttemptRef attempt, TimePoint now) {
  attempt->timed_out = true;
  ++timed_out_;
  if (attempt->isolated) {  // the next suspicious job need not wait for this one's answer
    attempt->isolated = false;
    --isolated_;
  }
  if (!suspect) {
    // Where several are computed together any of them may have hung it, whichever is late first.
    unsigned left = streams_ * batch_;
    for (auto each = attempts_.begin(); left > 0 && each != attempts_.end(); ++each, --left) {
      each->in_hand = true;
    }
    find_culprit();
  }
  suspect = true;
  // A whole line that times out behind one slow image is one slowness, not many.
  if (attempt->assigned >= last_timeout_) {
    service_.on_timeout();
    last_timeout_ = now;
    return true;
  }
  return false;
}

bool WorkerState::may_be_working_on(AttemptRef attempt) {
  auto each = attempts_.begin();
  for (unsigned i = 0; i < (streams_ + 1) * batch_ && each != attempts_.end(); ++i, ++each) {
    if (each == attempt) return true;
  }
  return false;
}

void WorkerState::absolve(AttemptRef attempt) {
  if (hung_by_ == attempt->job) hung_by_.reset();
  if (std::exchange(attempt->in_hand, false)) find_culprit();
}

void WorkerState::find_culprit() {
  const auto in_hand = [](const Attempt& each) { return each.in_hand; };
  const bool alone = std::count_if(attempts_.begin(), attempts_.end(), in_hand) == 1;
  if (alone) hung_by_ = std::find_if(attempts_.begin(), attempts_.end(), in_hand)->job;
}

void WorkerState::recover() {
  if (suspect) {
    for (Attempt& attempt : attempts_) attempt.in_hand = false;
  }
  suspect = false;
  hung_by_.reset();
}

void WorkerState::measure(const Attempt& attempt, std::chrono::microseconds computed,
                          TimePoint now) {
  if (!attempt.computing) return;  // out of turn: says nothing
  const TimePoint arrived = attempt.assigned + link_.least();
  const Duration observed = now - attempt.began;
  // A round trip that got shorter must not make the service look like none at all.
  const Duration service = std::max(now - std::max(attempt.began, arrived), observed / kLeastShare);
  service_.add(service);
  if (computed.count() <= 0) return;
  const auto believed = duration_cast<microseconds>(
      std::clamp<Duration>(computed, service / kLeastShare, std::max(service, Duration(1))));
  computed_us_ += computed_us_ == 0 ? believed.count() : (believed.count() - computed_us_) / 8;
}

std::uint64_t WorkerState::expected_completion_us(std::uint64_t mean_us) const {
  const std::uint64_t outstanding = attempts_.size() + 1;  // with the one to be placed
  const auto rtt_us = static_cast<std::uint64_t>(link_.least().count());
  return rtt_us + std::max(mean_us, mean_us * outstanding / streams_);
}

unsigned WorkerState::window() const {
  const unsigned own = (streams_ + 1) * batch_;
  unsigned window = options_.min_window == 0 ? own : options_.min_window;
  // A quarter more than the mean says: neither is constant.
  std::int64_t each_us = service_.measured() ? service_.mean_us() : presumed_us_;
  // The first photos to a far worker are long on the way, which looks like service until the window
  // is as large as it should be.
  if (computed_us_ > 0) each_us = std::min(each_us, computed_us_);
  const std::int64_t on_the_way = streams_ * link_.least().count() * 5 / 4 / each_us;
  window = std::max<unsigned>(
      window, own + static_cast<unsigned>(std::min<std::int64_t>(on_the_way, credit_)));
  return std::min(window, credit_);
}

bool WorkerState::has_room() const {
  if (draining || paused || health_.ejected()) return false;
  if (attempts_.size() >= window() || bytes_out_ >= options_.max_bytes_out) return false;
  // A suspect, or one on probation, is probed with one attempt at a time: enough to notice that it
  // is back.
  if (suspect) return attempts_.size() == timed_out_;
  return !health_.on_probation() || attempts_.empty();
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
