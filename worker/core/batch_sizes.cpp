#include "worker/core/batch_sizes.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace imgrec::worker {

BatchSizes::BatchSizes(std::vector<unsigned> sizes) : sizes_(std::move(sizes)) {
  assert(std::is_sorted(sizes_.begin(), sizes_.end()));
  assert(sizes_.empty() || sizes_.front() > 1);
}

BatchSizes BatchSizes::up_to(unsigned n) {
  std::vector<unsigned> sizes;
  for (unsigned size = n; size > 1; size /= 2) sizes.push_back(size);
  std::reverse(sizes.begin(), sizes.end());
  return BatchSizes(std::move(sizes));
}

unsigned BatchSizes::filled_by(std::size_t pictures) const {
  const auto more = std::upper_bound(sizes_.begin(), sizes_.end(), pictures);
  return more == sizes_.begin() ? 1 : *std::prev(more);
}

}  // namespace imgrec::worker
