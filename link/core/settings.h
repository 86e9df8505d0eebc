// What one direction of a link does to the packets that go along it, and the texts that say so:
// the same words for flags, files and the control socket.
//
// Thread rule: plain value and pure functions. Owns nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "link/core/link_time.h"
#include "proto/status.h"

namespace imgrec::link {

enum class JitterShape {
  kUniform,  // evenly from delay - jitter to delay + jitter
  kNormal,   // around delay with deviation jitter, never less than 0, cut at four deviations
};

// How much may wait for the line. `bytes` counts where it is not 0, else what the line sends in
// `time`. What is being sent does not count, and where nothing waits one packet always may.
struct QueueLimit {
  Duration time = std::chrono::milliseconds(100);
  std::uint64_t bytes = 0;

  bool operator==(const QueueLimit&) const = default;
};

struct DirectionSettings {
  Duration delay{0};  // of propagation: what every packet takes besides waiting and sending
  Duration jitter{0};
  JitterShape jitter_shape = JitterShape::kUniform;
  bool reorder = false;    // false: a packet never arrives before one that was sent before it
  double loss = 0;         // share of the packets that are lost on the way, 0 to 1
  double burst = 0;        // mean length in packets of a bad time; 0: each loss is independent
  double burst_loss = 1;   // share lost within a bad time; outside of it none is
  std::uint64_t rate = 0;  // bits a second of whole IP packets; 0: no limit, and so no queue
  QueueLimit queue;
  bool down = false;  // everything is lost, also what is under way

  bool operator==(const DirectionSettings&) const = default;
};

// Sets the one that `key` names: "delay" from "50ms", "loss" from "10%", "rate" from "100mbit",
// "queue" from "100ms" or "64KiB". Says what is wrong otherwise; `settings` is unchanged then.
Status set_setting(DirectionSettings& settings, std::string_view key, std::string_view value);

// "50ms", "250us", "1.5s", "0"; of a minute at most.
Status set_time(Duration& target, std::string_view text);

// The same as set_setting for "delay=50ms loss=10%". On failure some may have been set.
Status set_settings(DirectionSettings& settings, std::string_view text);

// Whether the values fit each other; to be asked once all are set.
Status check(const DirectionSettings& settings);

}  // namespace imgrec::link
