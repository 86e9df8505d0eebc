#include "link/core/packet_pool.h"

#include <algorithm>

namespace imgrec::link {

std::optional<PacketPool::Slot> PacketPool::take() {
  if (free_.empty()) {
    const std::size_t have = infos_.size();
    const std::size_t more = std::min(kBlock, max_slots_ - have);
    if (more == 0) return std::nullopt;
    blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kBlock * slot_bytes_));
    infos_.resize(have + more);
    free_.reserve(infos_.size());
    for (std::size_t i = have + more; i > have; --i) free_.push_back(static_cast<Slot>(i - 1));
  }
  const Slot slot = free_.back();
  free_.pop_back();
  return slot;
}

}  // namespace imgrec::link
