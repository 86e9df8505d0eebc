// Which packets a line loses: each by itself, or in bursts after Gilbert and Elliott (two states,
// good and bad, that follow each other as a Markov chain; E. O. Elliott, 1963).
//
// Thread rule: not shared. Owns: its dice and its state.
#pragma once

#include <cstdint>

#include "link/core/random.h"
#include "link/core/settings.h"

namespace imgrec::link {

class LossProcess {
 public:
  explicit LossProcess(std::uint64_t seed) : random_(seed) {}

  // REQUIRES: check(settings).
  void set(const DirectionSettings& settings);

  // Whether the next packet is lost. The n-th answer depends on the seed and the settings alone.
  bool next();

 private:
  Random random_;
  bool bursts_ = false;
  bool bad_ = false;
  double loss_ = 0;  // within the bad state where there are bursts
  double to_bad_ = 0;
  double to_good_ = 0;
};

}  // namespace imgrec::link
