// A link at work: two devices, and what happens to packets between them each way.
//
// Thread rule: one thread. Owns: all of it.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "link/app/link_config.h"
#include "link/app/tun_device.h"
#include "link/core/direction.h"
#include "proto/status.h"

namespace imgrec::link {

class Link {
 public:
  static Result<std::unique_ptr<Link>> open(const LinkConfig& config, std::size_t max_packets);

  const LinkConfig& config() const { return config_; }
  TunDevice& device(std::size_t end) { return devices_[end]; }  // 0: a, 1: b
  // What was read at that end, on its way to the other one.
  Direction& from(std::size_t end) { return directions_[end]; }

  // A device or its namespace was deleted by others: nothing goes over this link any more.
  bool broken() const { return broken_; }

  // Reads what waits at that end, some packets at most; whether there may be more.
  bool take_in(std::size_t end);
  // Reads what waits at both ends by now, as far as a device keeps packets.
  void take_in_waiting();
  // Writes what is due, some packets at most for each direction; whether there may be more.
  bool give_out();
  std::optional<TimePoint> next_wake() const;

  void reset_counters();

 private:
  Link(const LinkConfig& config, TunDevice a, TunDevice b, std::size_t max_packets);
  bool give_one(std::size_t end);  // false: none is due

  LinkConfig config_;
  std::array<TunDevice, 2> devices_;
  std::array<Direction, 2> directions_;
  bool broken_ = false;
};

}  // namespace imgrec::link
