// How many second copies of slow attempts may be sent: two, so that the first upload after a start
// may have them too, and a share of the work, saved up to a bound. So hedging costs at most that
// share however bad things get ("The Tail at Scale", Dean and Barroso, 2013: a few per cent of
// extra requests cut the 99.9th percentile twentyfold).
//
// Thread rule: confined to one thread. Owns: a number.
#pragma once

#include <algorithm>
#include <cstdint>

namespace imgrec::manager {

class HedgeBudget {
 public:
  // `percent` of the assignments, 0 to 100; 0: none at all. At most `saved` copies are saved up.
  explicit HedgeBudget(unsigned percent, unsigned saved = 32)
      : percent_(std::min(percent, 100u)), most_(saved * kWhole) {
    if (percent_ > 0) saved_ = std::min(kAtFirst * kWhole, most_);
  }

  void on_assignment() { saved_ = std::min(saved_ + percent_, most_); }
  bool allows_one() const { return saved_ >= kWhole; }
  // REQUIRES: allows_one().
  void spend_one() { saved_ -= kWhole; }

 private:
  static constexpr unsigned kWhole = 100;  // one copy
  static constexpr unsigned kAtFirst = 2;
  unsigned percent_;
  unsigned most_;
  unsigned saved_ = 0;
};

}  // namespace imgrec::manager
