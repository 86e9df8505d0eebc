// What crossed the wire over TCP connections, as the kernel at our end counts it, and its rate.
//
// Thread rule: pure values and arithmetic; a meter is confined to one thread. Owns: a meter has a
// point a second of the last minute, 4 KB.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/tcp_figures.h"

namespace imgrec::net {

// Of one connection or of many. Wire bytes are those of IP packets: payload as often as it went,
// and the headers of every segment. Of what came, payload counts once; and options that few
// segments have (SACK) are not seen, nor is the handshake.
struct TcpTraffic {
  std::uint64_t wire_bytes_out = 0;
  std::uint64_t wire_bytes_in = 0;
  std::uint64_t segments_out = 0;
  std::uint64_t segments_in = 0;
  std::uint64_t data_segments_out = 0;    // of segments_out: with payload
  std::uint64_t retransmissions = 0;      // of these: sent again
  std::uint64_t retransmitted_bytes = 0;  // their payload

  TcpTraffic& operator+=(const TcpTraffic& more);
};

// What a connection carried between two readings, of which the first may be {}: its beginning.
// REQUIRES: less than 2^32 segments of either way in between.
TcpTraffic traffic_between(const TcpCounters& before, const TcpCounters& now);

// Rates of a traffic that only grows.
class TrafficMeter {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Rate {
    double bits_out_per_s = 0;
    double bits_in_per_s = 0;
    // Share of the segments with payload that had been sent before; nullopt: none was sent.
    std::optional<double> retransmitted;
  };

  // Of a traffic that is {} at `start`.
  explicit TrafficMeter(TimePoint start) : start_(start) { add_point({start, {}}); }

  // Once a second. REQUIRES: `now` never goes back.
  void sample(const TcpTraffic& traffic, TimePoint now) { add_point({now, traffic}); }

  // Means over the last `window` up to the newest sample, or since the start where that is less.
  // REQUIRES: 1 s <= window <= 60 s.
  Rate over(std::chrono::seconds window) const;
  Rate overall() const;

 private:
  static constexpr std::size_t kPoints = 62;  // a minute has 61, and timers are late at times
  struct Point {
    TimePoint at;
    TcpTraffic traffic;
  };

  void add_point(const Point& point);
  const Point& point(std::size_t age) const;  // 0: the newest
  static Rate between(const Point& before, const Point& now);

  TimePoint start_;
  std::array<Point, kPoints> ring_{};
  std::size_t next_ = 0;
  std::size_t size_ = 0;
};

}  // namespace imgrec::net
