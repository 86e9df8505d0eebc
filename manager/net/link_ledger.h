// What the workers' connections have carried: each of those that are there, and all since the
// start, so that the sum never shrinks when one ends.
//
// Thread rule: confined to one thread. Pure: readings and time are arguments.
// Owns: the newest reading of each connection, and the points of its rates.
#pragma once

#include <chrono>
#include <map>
#include <optional>

#include "net/tcp_figures.h"
#include "net/tcp_traffic.h"
#include "proto/ids.h"

namespace imgrec::manager {

// One worker's connection as it was read last.
struct LinkFigures {
  net::TcpFigures tcp;
  // Since it connected, and over the last 10 s and the last minute; nullopt: the kernel counts no
  // traffic (tcp.counters).
  struct Wire {
    net::TcpTraffic traffic;
    net::TrafficMeter::Rate last_10s;
    net::TrafficMeter::Rate last_minute;
  };
  std::optional<Wire> wire;
};

// All connections since the start.
struct WireFigures {
  net::TcpTraffic traffic;
  net::TrafficMeter::Rate last_10s;
  net::TrafficMeter::Rate last_minute;
  net::TrafficMeter::Rate overall;
};

class LinkLedger {
 public:
  using TimePoint = net::TrafficMeter::TimePoint;

  explicit LinkLedger(TimePoint start) : meter_(start) {}

  // A connection was read; the first time it counts with all that it has carried.
  void read(WorkerId worker, net::TcpFigures figures, TimePoint now);
  // It has ended; what it carried stays counted.
  void forget(WorkerId worker) { links_.erase(worker); }
  // Once a second, after all have been read: a point for the rates.
  void on_second(TimePoint now);

  std::optional<LinkFigures> link(WorkerId worker) const;  // nullopt: not read yet
  WireFigures all() const;

 private:
  struct Link {
    explicit Link(TimePoint begun) : meter(begun) {}
    net::TcpFigures figures;
    net::TcpTraffic traffic;
    net::TrafficMeter meter;
  };

  std::map<WorkerId, Link> links_;
  net::TcpTraffic traffic_;
  net::TrafficMeter meter_;
};

}  // namespace imgrec::manager
