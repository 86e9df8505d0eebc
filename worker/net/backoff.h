// How long to wait before the next attempt to reach a manager: exponential, with full jitter, so
// that a hundred workers that lost one manager do not come back in step.
// Source of the rule: M. Brooker, "Exponential Backoff And Jitter" (2015).
//
// Thread rule: not shared.
// Owns: the count of failures in a row.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

namespace imgrec::worker {

struct BackoffOptions {
  std::chrono::milliseconds base{100};  // ceiling of the first wait; doubles with each
  std::chrono::milliseconds max{10'000};
  // A connection that was registered this long counts as good: the next wait is a first one.
  // Not shorter than `max`, so that a manager that dies of each registration is not hammered.
  std::chrono::milliseconds stable_after{10'000};
};

class Backoff {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // random: uniform in [0, 1).
  Backoff(BackoffOptions options, std::function<double()> random);

  // The connection is registered.
  void registered(TimePoint now) { registered_since_ = now; }

  // The connection failed or ended: how long to wait, from 0 up to the ceiling of this failure.
  std::chrono::milliseconds next(TimePoint now);

 private:
  BackoffOptions options_;
  std::function<double()> random_;
  std::chrono::milliseconds ceiling_;
  std::optional<TimePoint> registered_since_;
};

}  // namespace imgrec::worker
