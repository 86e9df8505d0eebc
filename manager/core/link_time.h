// The round trip to one worker as it is without queues: the least of what was reported, followed
// slowly upwards, so that a route that got longer is believed after a while. (As BBR's min RTT; the
// reports are PINGs, and these wait behind photos.)
//
// Thread rule: confined to one thread. Owns: nothing but numbers.
#pragma once

#include <algorithm>
#include <chrono>

namespace imgrec::manager {

class LinkTime {
 public:
  // Before the first report: what it is taken for until then.
  void guess(std::chrono::microseconds rtt) {
    if (reported_) return;
    latest_ = least_ = std::max(rtt, std::chrono::microseconds(1));
  }
  void add(std::chrono::microseconds rtt) {
    if (!reported_) least_ = {};
    reported_ = true;
    rtt = std::max(rtt, std::chrono::microseconds(1));
    latest_ = rtt;
    least_ = least_.count() == 0 ? rtt : std::min(rtt, least_ + std::max(least_ / 64, kStep));
  }
  std::chrono::microseconds least() const { return least_; }    // 0 until measured
  std::chrono::microseconds latest() const { return latest_; }  // 0 until measured

 private:
  static constexpr std::chrono::microseconds kStep{10};
  std::chrono::microseconds least_{};
  std::chrono::microseconds latest_{};
  bool reported_ = false;
};

}  // namespace imgrec::manager
