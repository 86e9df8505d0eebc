// Where pictures that are computed together are best computed one after the other first.
//
// A layer gains by several pictures at once where its weights come from memory, since they then
// come once for all; it loses where the pictures' own values no longer fit into the processor's
// cache. The first layers of a network have few weights and large pictures, the last ones the
// opposite. So a batch goes picture by picture up to a cut, and all together from there on.
//
// Thread rule: pure functions.
// Owns: nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "worker/graph/arena.h"

namespace imgrec::worker {

// Before this step, this buffer alone holds all that it and the later ones need.
struct CutPoint {
  std::size_t step = 0;
  std::size_t buffer = 0;
  friend bool operator==(const CutPoint&, const CutPoint&) = default;
};

// Of a computation of so many steps, in their order; none before the first step.
std::vector<CutPoint> cut_points(const std::vector<BufferLife>& lives, std::size_t steps);

struct BatchCut {
  CutPoint at;
  double gain = 1;     // pictures in the same time, relative to one after the other all the way
  double seconds = 0;  // of each picture
};

// The cut that takes the least time. one, together: seconds of each step for one picture, alone and
// as its share of a batch. Nothing: there is no place to cut.
// REQUIRES: as many times in both as there are steps, all over 0.
std::optional<BatchCut> best_cut(const std::vector<CutPoint>& points,
                                 const std::vector<double>& one,
                                 const std::vector<double>& together);

// Why a batch of so many pictures, as measured, is not worth that the first of them waits for the
// last; empty: it is. `smaller_gain`: of the next smaller batch that is; 0: there is none.
std::string why_no_batch(unsigned pictures, const BatchCut& measured, double smaller_gain);

}  // namespace imgrec::worker
