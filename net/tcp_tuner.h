// Socket options of the connection between a manager and a worker, the same at both ends: at the
// beginning, and again when TCP has learned more of the way.
//
// Thread rule: confined to one thread. Owns: nothing but what it has asked for; borrows the socket.
#pragma once

#include <chrono>
#include <string>

#include "net/congestion_choice.h"
#include "net/tcp_figures.h"

namespace imgrec::net {

struct SocketTuning {
  // "auto": as congestion_choice.h says. "": what the kernel takes by itself, as also where it has
  // not the one that is named.
  std::string congestion_control{CongestionChoice::kAuto};
};

// All of it is best effort: what the kernel refuses is logged at debug level.
class TcpTuner {
 public:
  // At most so long is an acknowledgement kept back, where both ends ask for it (Linux 6.16).
  static constexpr std::chrono::milliseconds kAcknowledge{10};

  explicit TcpTuner(SocketTuning tuning = {}) : tuning_(std::move(tuning)) {}

  // `fd` is connected: no Nagle, keepalive after 15 s (each 5 s, 3 times), unacknowledged data
  // fails the connection after 20 s, at most 128 KiB unsent in the kernel (so that heartbeats do
  // not queue behind it); and what follow() does.
  void begin(int fd);

  // The congestion control, and timers that know the link: the kernel waits 200 ms longer than a
  // round trip for the answer to a lone segment, which on a link of 2 ms is what a lost one costs.
  // Both ends acknowledge within 10 ms and send again 20 ms after a round trip, or a quarter of it
  // where that is more (Linux 6.16). To be called now and then: a round trip that was measured
  // while connecting may have a lost SYN in it. Makes system calls only where something has
  // changed.
  void follow(int fd, const TcpFigures& figures);

  // By what follow() was told: packets are lost by chance, and the connection has not the
  // congestion control that takes them for that. Several connections are to do what this one
  // cannot.
  bool needs_lanes() const { return needs_lanes_; }

 private:
  const SocketTuning tuning_;
  CongestionChoice choice_;
  std::string congestion_;  // as asked for
  bool taken_ = false;      // and had
  int resend_us_ = 0;       // as asked for
  bool needs_lanes_ = false;
};

}  // namespace imgrec::net
