// When something small is to be said after what was written last, so that the loss of that is
// noticed soon.
//
// TCP learns that a segment was lost from those behind it. The last one has none behind it, and
// waits for a timer: 30 to 50 ms on a way of 2 ms, and twice that where it is lost again (the tail
// loss probe of RFC 8985, section 7.2, waits for as long as the acknowledgement of a lone segment
// may be kept back). A few bytes more, a PING, are acknowledged within a round trip, and tell. So
// where packets are lost on a short way, some follow until all is acknowledged.
//
// Thread rule: confined to one thread. Owns: nothing but numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "net/congestion_choice.h"
#include "net/loss_window.h"
#include "net/tcp_figures.h"

namespace imgrec::net {

class TailProbe {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Something that matters was handed to the kernel, and nothing follows it for now. `figures`:
  // what TCP says of the way at this time.
  void written(const TcpFigures& figures, TimePoint now) {
    stop();
    if (figures.counters) look_for_loss(*figures.counters);
    if (!lossy_ || !figures.least_rtt || *figures.least_rtt > CongestionChoice::kLong) return;
    interval_ = 2 * *figures.least_rtt + kMargin;
    next_ = now + interval_;
  }
  void stop() {
    next_.reset();
    end_.reset();
    said_ = looked_ = 0;
  }

  std::optional<TimePoint> next() const { return next_; }

  // To be called from next() on, with what the connection has at that time. True: say something.
  bool due(const Backlog& backlog, TimePoint now) {
    if (!end_) end_ = backlog.acknowledged + backlog.unacknowledged;
    if (backlog.acknowledged >= *end_ || said_ == kMostSaid || looked_ == kMostLooked) {
      stop();
      return false;
    }
    ++looked_;
    next_ = now + interval_;
    if (backlog.unsent > 0) return false;  // other segments are still to come
    ++said_;
    return true;
  }

  static constexpr unsigned kMostSaid = 10;     // for one tail; then TCP's timers are near
  static constexpr unsigned kMostLooked = 100;  // a peer that does not read is not probed

 private:
  static constexpr std::chrono::milliseconds kMargin{2};
  // One lost segment of the few that make up a HELLO tells, and may be none: so it takes many more
  // to take that back.
  static constexpr std::uint32_t kFew = 16;
  static constexpr std::uint32_t kMany = 500;
  static constexpr std::uint64_t kLeastLost = 100;  // one in so many

  void look_for_loss(const TcpCounters& counters) {
    if (const auto seen = window_.look(counters, lossy_ ? kMany : kFew)) {
      lossy_ = seen->lost_one_in(kLeastLost);
    }
  }

  LossWindow window_;
  bool lossy_ = false;
  std::chrono::microseconds interval_{};  // valid while there is a next_
  std::optional<TimePoint> next_;
  std::optional<std::uint64_t> end_;  // of what matters; known when first looked at
  unsigned said_ = 0;
  unsigned looked_ = 0;
};

}  // namespace imgrec::net
