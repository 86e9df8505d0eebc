// A direction of a link in virtual time: packets are numbered, arrivals are noted.
//
// Thread rule: one test. Owns: the direction.
#pragma once

#include <cstring>
#include <vector>

#include "link/core/direction.h"

namespace imgrec::link {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

inline DirectionSettings settings_of(std::string_view text) {
  DirectionSettings settings;
  if (!set_settings(settings, text).ok() || !check(settings).ok()) std::abort();
  return settings;
}

struct Arrived {
  std::uint32_t number;
  Duration at;  // since the start
  Duration due;
};

class Line {
 public:
  explicit Line(std::string_view settings, std::uint64_t seed = 1,
                std::size_t max_packets = 100'000)
      : direction(settings_of(settings), seed, 1500, max_packets) {}

  // Offers one packet, numbered in its first bytes. REQUIRES: bytes >= 4.
  void send(Duration at, std::size_t bytes = 1500) {
    run_until(at);
    std::memcpy(direction.buffer().data(), &next_, sizeof next_);
    ++next_;
    direction.offer(start + at, bytes);
  }

  // Takes out all that is due up to then, waking when the direction asks to be woken.
  void run_until(Duration end) {
    for (auto wake = direction.next_wake(); wake && *wake <= start + end;
         wake = direction.next_wake()) {
      take_due(*wake);
    }
    take_due(start + end);
  }

  void change(Duration at, std::string_view settings) {
    run_until(at);
    direction.change(settings_of(settings), start + at);
  }

  const DirectionCounters& counters() const { return direction.counters(); }

  const TimePoint start{std::chrono::hours(1)};
  Direction direction;
  std::vector<Arrived> arrived;

 private:
  void take_due(TimePoint now) {
    while (const auto packet = direction.due(now)) {
      std::uint32_t number = 0;
      std::memcpy(&number, packet->bytes.data(), sizeof number);
      arrived.push_back({number, now - start, packet->due - start});
      direction.settle(now, true);
    }
  }

  std::uint32_t next_ = 0;
};

// Every packet that was offered became something, and one thing only.
inline std::uint64_t accounted(const Line& line) {
  const DirectionCounters& c = line.counters();
  return c.delivered.packets + c.refused.packets + c.lost.packets + c.cut.packets +
         c.dropped.packets + c.overflowed.packets + line.direction.held();
}

}  // namespace imgrec::link
