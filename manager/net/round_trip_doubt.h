// Whether a round trip that a PING measured is to be believed.
//
// One that was lost, or waited, looks like a long way, and its worker would be given too many
// images until the next heartbeat tells better. So what takes much longer than TCP knows the way to
// be is asked again, and believed when it stays so: where a proxy is between, TCP knows only the
// way to that.
//
// Thread rule: confined to one thread. Owns: a number.
#pragma once

#include <chrono>
#include <optional>

namespace imgrec::manager {

class RoundTripDoubt {
 public:
  static constexpr unsigned kMost = 3;  // doubts in a row
  static constexpr std::chrono::milliseconds kMargin{5};

  // `tcp`: the least that TCP has measured; nullopt: it does not say. False: ask again.
  bool believes(std::chrono::microseconds measured, std::optional<std::chrono::microseconds> tcp) {
    if (!tcp || measured <= 2 * *tcp + kMargin) {
      doubts_ = 0;
      return true;
    }
    if (doubts_ == kMost) return true;
    ++doubts_;
    return false;
  }

 private:
  unsigned doubts_ = 0;  // in a row
};

}  // namespace imgrec::manager
