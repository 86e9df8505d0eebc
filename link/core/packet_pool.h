// Room for the packets of one direction: slots of one size, made in blocks as they are first needed
// and used again for ever, so that a packet costs no allocation.
//
// Thread rule: not shared. Owns: the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "link/core/link_time.h"

namespace imgrec::link {

struct PacketInfo {
  TimePoint arrived;
  std::uint32_t bytes = 0;
};

class PacketPool {
 public:
  using Slot = std::uint32_t;

  PacketPool(std::size_t slot_bytes, std::size_t max_slots)
      : slot_bytes_(slot_bytes), max_slots_(max_slots) {}

  std::optional<Slot> take();  // nullopt: all are in use
  void give_back(Slot slot) { free_.push_back(slot); }

  PacketInfo& info(Slot slot) { return infos_[slot]; }
  std::span<std::byte> room(Slot slot) {
    return {blocks_[slot / kBlock].get() + (slot % kBlock) * slot_bytes_, slot_bytes_};
  }

 private:
  static constexpr std::size_t kBlock = 256;  // slots

  std::size_t slot_bytes_;
  std::size_t max_slots_;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::vector<PacketInfo> infos_;
  std::vector<Slot> free_;
};

}  // namespace imgrec::link
