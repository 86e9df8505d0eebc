// How many pictures are computed together.
//
// A worker waits for no picture, and computes only whole batches together: three that wait are two
// and one where the sizes are two and four.
//
// Thread rule: plain value. Owns its sizes.
#pragma once

#include <cstddef>
#include <vector>

namespace imgrec::worker {

// The largest batch where nobody asked for a size; this one's and the smaller ones' gain is
// measured.
inline constexpr unsigned kMeasuredBatch = 4;

class BatchSizes {
 public:
  BatchSizes() = default;  // one by one
  // REQUIRES: ascending, all over 1.
  explicit BatchSizes(std::vector<unsigned> sizes);

  // N, and its half, the half of that, and so on: what is left over where N do not wait is seldom
  // one picture then. 0 and 1: one by one.
  static BatchSizes up_to(unsigned n);

  // 1: one by one.
  unsigned largest() const { return sizes_.empty() ? 1 : sizes_.back(); }
  // The largest batch that so many pictures fill; 1 where they fill none.
  unsigned filled_by(std::size_t pictures) const;

  const std::vector<unsigned>& sizes() const { return sizes_; }
  bool none() const { return sizes_.empty(); }

 private:
  std::vector<unsigned> sizes_;  // ascending
};

}  // namespace imgrec::worker
