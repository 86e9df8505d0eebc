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
#include <optional>
#include <string_view>

#include "net/tcp_figures.h"

namespace imgrec::net {

class CongestionChoice {
 public:
  static constexpr std::string_view kAuto = "auto";
  static constexpr std::string_view kBbr = "bbr";
  static constexpr std::string_view kCubic = "cubic";
  static constexpr std::chrono::milliseconds kLong{40};

  // `round_trip`: the least; 0: not measured. `counters`: of one connection, as they grow.
  std::string_view best(std::chrono::microseconds round_trip,
                        const std::optional<TcpCounters>& counters) {
    if (counters) look_for_loss(*counters);
    return lossy_ || round_trip < kLong ? kBbr : kCubic;
  }

  // So much is lost by chance that CUBIC alone carries next to nothing. Where its own probing makes
  // packets be lost, they are far fewer.
  bool needs_bbr() const { return lossy_ && again_of_last_ * 25 >= sent_of_last_; }

 private:
  // What is lost at once where slow start went too far, or one of a few segments, is no lossy way.
  static constexpr std::uint32_t kEnough = 100;   // segments
  static constexpr std::uint32_t kLeastLost = 8;  // of them
  static constexpr std::uint32_t kManyMore =
      2000;  // in which next to none was lost: it was a bad time

  void look_for_loss(const TcpCounters& counters) {
    const std::uint32_t sent = counters.data_segments_out - sent_;  // they wrap around
    const std::uint32_t again = counters.retransmissions - again_;
    if (sent < (lossy_ ? kManyMore : kEnough)) return;
    sent_ = counters.data_segments_out;
    again_ = counters.retransmissions;
    sent_of_last_ = sent;
    again_of_last_ = again;
    lossy_ = lossy_ ? again * std::uint64_t{500} >= sent
                    : again >= kLeastLost && again * std::uint64_t{100} >= sent;
  }

  std::uint32_t sent_ = 0;  // as of the last time that there were enough
  std::uint32_t again_ = 0;
  std::uint64_t sent_of_last_ = 0;  // between the last two such times
  std::uint64_t again_of_last_ = 0;
  bool lossy_ = false;
};

}  // namespace imgrec::net
