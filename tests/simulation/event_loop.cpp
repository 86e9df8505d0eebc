#include "tests/simulation/event_loop.h"

#include <algorithm>
#include <utility>

namespace imgrec::simulation {

void EventLoop::at(TimePoint when, Callback what) {
  heap_.push_back({std::max(when, now_), next_number_++, std::move(what)});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool EventLoop::run_next(TimePoint limit) {
  if (heap_.empty() || heap_.front().when > limit) return false;
  std::pop_heap(heap_.begin(), heap_.end(), later);
  Entry entry = std::move(heap_.back());
  heap_.pop_back();
  now_ = entry.when;
  ++executed_;
  entry.what();
  return true;
}

void Alarm::set(std::optional<TimePoint> when) {
  wanted_ = when;
  if (wanted_ && (!scheduled_ || *scheduled_ > *wanted_)) schedule(*wanted_);
}

void Alarm::schedule(TimePoint when) {
  scheduled_ = std::max(when, loop_.now());
  loop_.at(*scheduled_, [this, at = *scheduled_] { fire(at); });
}

void Alarm::fire(TimePoint when) {
  if (scheduled_ != when) return;  // an earlier one took its place
  scheduled_.reset();
  if (!wanted_) return;
  if (*wanted_ > when) return schedule(*wanted_);
  wanted_.reset();
  ring_();
}

}  // namespace imgrec::simulation
