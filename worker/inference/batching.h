// How many pictures a network computes together, and why.
//
// Thread rule: plain value. Owns what it lists.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "worker/core/batch_sizes.h"

namespace imgrec::worker {

struct Batching {
  struct Batch {
    unsigned pictures = 0;
    double gain = 0;  // pictures in the same time, relative to one by one, as measured
  };
  std::vector<Batch> batches;  // ascending; empty: one by one
  std::string why_no_more;     // than these, of what was asked for; empty: there are as many

  BatchSizes sizes() const {
    std::vector<unsigned> sizes;
    for (const Batch& batch : batches) sizes.push_back(batch.pictures);
    return BatchSizes(std::move(sizes));
  }
  double gain() const { return batches.empty() ? 0 : batches.back().gain; }  // of the largest
};

}  // namespace imgrec::worker
