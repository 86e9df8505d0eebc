// What the scheduler waits for, in the order of time. Timers are taken out again when what they
// guard has ended, so the first one is always a real deadline.
//
// Thread rule: confined to one thread. Owns: its entries.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <set>

#include "manager/core/scheduler.h"

namespace imgrec::manager {

// With a job: the attempt's next step is due. With job 0 the worker's pause ends, or its ejection.
struct Timer {
  static constexpr std::uint32_t kPause = 0;
  static constexpr std::uint32_t kEjection = 1;

  TimePoint at;
  WorkerId worker;
  JobId job;
  std::uint32_t attempt = 0;  // or kPause, kEjection
  friend auto operator<=>(const Timer&, const Timer&) = default;
};

class TimerQueue {
 public:
  void add(const Timer& timer) { timers_.insert(timer); }
  void remove(const Timer& timer) { timers_.erase(timer); }

  std::optional<TimePoint> next() const {
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->at;
  }

  // Takes out the first timer that is due.
  std::optional<Timer> pop_due(TimePoint now) {
    if (timers_.empty() || timers_.begin()->at > now) return std::nullopt;
    return timers_.extract(timers_.begin()).value();
  }

 private:
  std::set<Timer> timers_;
};

}  // namespace imgrec::manager
