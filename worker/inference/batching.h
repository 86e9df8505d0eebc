// How many pictures a network computes together, and why.
//
// Thread rule: plain value. Owns its string.
#pragma once

#include <string>

namespace imgrec::worker {

struct Batching {
  unsigned size = 1;   // 1: one by one
  double gain = 0;     // pictures in the same time, relative to one by one; 0: not measured
  std::string reason;  // one by one: why; else empty
};

}  // namespace imgrec::worker
