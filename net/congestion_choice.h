// Which congestion control a connection is to have where that is left to us ("auto").
//
// BBR takes packets lost by chance for what they are, and keeps most of a link on which CUBIC gives
// up at 1 %. But every ten seconds it stops sending for the length of a round trip or two to
// measure the path anew (PROBE_RTT), which on a short way nobody notices and on a long one leaves
// workers without photos. So BBR has the short ways, and the long ones from where packets are seen
// to be lost. docs/decisions/0021-transport.md has the figures.
//
// Thread rule: confined to one thread. Owns: nothing but numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "net/tcp_figures.h"

namespace imgrec::net {

class CongestionChoice {
 public:
  static constexpr std::string_view kAuto = "auto";
  static constexpr std::string_view kForLoss = "bbr";
  static constexpr std::string_view kForLongWays = "cubic";
  static constexpr std::chrono::milliseconds kLong{40};

  static std::string_view first(std::chrono::microseconds round_trip) {
    return round_trip < kLong ? kForLoss : kForLongWays;
  }

  // Called with the counters of one connection as they grow. True: it is to have kForLoss from now
  // on.
  bool sees_loss(const TcpCounters& counters) {
    const std::uint32_t sent = counters.data_segments_out - sent_;  // they wrap around
    if (sent < kEnough) return false;
    const std::uint32_t again = counters.retransmissions - again_;
    sent_ = counters.data_segments_out;
    again_ = counters.retransmissions;
    return again * 100ull >= sent;
  }

 private:
  static constexpr std::uint32_t kEnough = 100;  // segments; one lost of so many may be anything

  std::uint32_t sent_ = 0;  // as of the last time that there were enough
  std::uint32_t again_ = 0;
};

}  // namespace imgrec::net
