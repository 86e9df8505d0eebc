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

#include "net/loss_window.h"
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
  bool needs_bbr() const { return lossy_ && last_.lost_one_in(25); }

 private:
  // What is lost at once where slow start went too far, or one of a few segments, is no lossy way.
  static constexpr std::uint32_t kEnough = 100;   // segments
  static constexpr std::uint32_t kLeastLost = 8;  // of them
  static constexpr std::uint32_t kManyMore =
      2000;  // in which next to none was lost: it was a bad time

  void look_for_loss(const TcpCounters& counters) {
    const auto seen = window_.look(counters, lossy_ ? kManyMore : kEnough);
    if (!seen) return;
    last_ = *seen;
    lossy_ = lossy_ ? last_.lost_one_in(500) : last_.again >= kLeastLost && last_.lost_one_in(100);
  }

  LossWindow window_;
  LossWindow::Seen last_;
  bool lossy_ = false;
};

}  // namespace imgrec::net
