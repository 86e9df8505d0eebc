// The learning rate over a training: a linear rise from a fifth of its peak, then half a cosine
// down to nothing. Loshchilov and Hutter, "SGDR" (2016), without restarts; the rise as in Goyal et
// al. (2017).
//
// Thread rule: pure functions. Owns: nothing.
#pragma once

#include <cstdint>

namespace imgrec::training {

struct Schedule {
  double peak = 0.1;
  std::uint64_t steps = 1;    // of the whole training
  std::uint64_t warm_up = 0;  // of them, rising

  // REQUIRES: step < steps. Never negative; 0 only where the last step is the first.
  double rate(std::uint64_t step) const;
};

}  // namespace imgrec::training
