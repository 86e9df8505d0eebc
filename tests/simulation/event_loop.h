// Simulated time: callbacks in the order of their times, and of their making where times are equal.
//
// Thread rule: not shared; each schedule has its own loop.
// Owns: the callbacks that have not run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "tests/simulation/random.h"

namespace imgrec::simulation {

class EventLoop {
 public:
  using Callback = std::function<void()>;

  TimePoint now() const { return now_; }
  std::uint64_t executed() const { return executed_; }

  // A time that has passed means now.
  void at(TimePoint when, Callback what);
  void after(Duration wait, Callback what) { at(now_ + wait, std::move(what)); }

  // Moves time to the next callback and runs it. False: there is none up to `limit`.
  bool run_next(TimePoint limit);

 private:
  struct Entry {
    TimePoint when;
    std::uint64_t number = 0;
    Callback what;
  };
  static bool later(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when > b.when : a.number > b.number;
  }

  TimePoint now_{std::chrono::seconds(1)};
  std::uint64_t next_number_ = 0;
  std::uint64_t executed_ = 0;
  std::vector<Entry> heap_;
};

// One timer that can be set again, as the shells have for each session and core.
// It must stay alive and in its place as long as its loop runs.
class Alarm {
 public:
  Alarm(EventLoop& loop, EventLoop::Callback ring) : loop_(loop), ring_(std::move(ring)) {}
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  void set(std::optional<TimePoint> when);

 private:
  void schedule(TimePoint when);
  void fire(TimePoint when);

  EventLoop& loop_;
  EventLoop::Callback ring_;
  std::optional<TimePoint> wanted_;
  std::optional<TimePoint> scheduled_;  // the first of our entries in the loop; it sets the next
};

}  // namespace imgrec::simulation
