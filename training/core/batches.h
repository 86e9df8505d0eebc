// How an epoch's pictures are shared out among its steps: evenly, so that no step learns at the
// full rate from the handful that would be left over, whose mean and variance say nothing of the
// rest.
//
// Thread rule: plain value. Owns: nothing.
#pragma once

#include <algorithm>
#include <cstddef>

namespace imgrec::training {

struct Batches {
  std::size_t pictures = 0;
  std::size_t most = 1;  // a step's; 3 where it is 2 and one would be left alone

  // As few as can be, with two pictures each where there are two: one has no variance.
  std::size_t steps() const {
    const std::size_t fewest = (pictures + most - 1) / most;
    return std::max<std::size_t>(pictures > 0 ? 1 : 0, std::min(fewest, pictures / 2));
  }
  // Step `step` takes the pictures from begin(step) on, up to begin(step + 1): the sizes differ by
  // one at most. REQUIRES: step <= steps(), and steps() > 0.
  std::size_t begin(std::size_t step) const { return pictures * step / steps(); }
};

}  // namespace imgrec::training
