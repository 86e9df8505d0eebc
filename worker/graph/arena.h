// Where buffers that live for a part of a computation lie in one piece of memory.
//
// Thread rule: pure functions.
// Owns: nothing.
#pragma once

#include <cstddef>
#include <vector>

namespace imgrec::worker {

struct BufferLife {
  std::size_t bytes = 0;
  std::size_t first_step = 0;  // that writes it
  std::size_t last_step = 0;   // that uses it
};

struct ArenaPlan {
  std::vector<std::size_t> offsets;  // by buffer; multiples of kArenaAlignment
  std::size_t bytes = 0;             // of the whole
};

constexpr std::size_t kArenaAlignment = 64;  // a cache line, and the widest vector register

// Buffers that live at the same time do not overlap; others may. Places the largest first, each at
// the lowest offset that is free all its life (greedy by size; Pisarchyk and Lee, "Efficient Memory
// Management for Deep Neural Net Inference", 2020).
ArenaPlan plan_arena(const std::vector<BufferLife>& buffers);

}  // namespace imgrec::worker
