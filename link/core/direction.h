// One direction of a link: packets and time in, what is to be delivered when out. No clock, no
// sockets; the same seed, packets and times give the same fates.
//
//   offer -> queue (limit: tail drop) -> line (rate) -> lost? -> delay, jitter -> due
//
// A packet waits until those before it are sent, takes its size over the rate to be sent, may then
// be lost, and arrives a delay later. A lost packet has taken its time on the line, as on a real
// one. Every packet that was offered is counted under exactly one of delivered, refused, lost, cut,
// dropped, overflowed, or is held.
//
// Thread rule: not shared. Owns: the packets under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "link/core/lateness_histogram.h"
#include "link/core/link_time.h"
#include "link/core/loss_process.h"
#include "link/core/packet_pool.h"
#include "link/core/random.h"
#include "link/core/ring.h"
#include "link/core/settings.h"

namespace imgrec::link {

struct DirectionCounters {
  struct Count {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    void add(std::uint32_t size) {
      ++packets;
      bytes += size;
    }
  };
  Count in;                 // offered
  Count delivered;          // taken by the far end
  Count refused;            // due, but the far end's device did not take it
  Count lost;               // by chance
  Count cut;                // offered while down, or under way when it went down
  Count dropped;            // the queue was full
  Count overflowed;         // more packets under way than the emulator has room for
  Duration sojourn_sum{0};  // of those delivered, from offer to delivery
  Duration sojourn_max{0};
  LatenessHistogram lateness;  // of those delivered: how long after they were due
};

class Direction {
 public:
  // REQUIRES: check(settings). Packets are of max_packet_bytes at most; max_packets may be under
  // way.
  Direction(const DirectionSettings& settings, std::uint64_t seed, std::size_t max_packet_bytes,
            std::size_t max_packets);

  const DirectionSettings& settings() const { return settings_; }
  // From now on. What is on its way arrives as it would have; what waits is sent at the new rate; a
  // direction that goes down loses both. REQUIRES: check(settings).
  void change(const DirectionSettings& settings, TimePoint now);

  // Where the bytes of the next packet are to be put; offer() then takes them over.
  std::span<std::byte> buffer();
  // REQUIRES: bytes <= buffer().size(), and `now` never goes back, here and everywhere.
  void offer(TimePoint now, std::size_t bytes);

  // The earliest packet whose time has come; the same one until settle() is called. nullopt: none.
  struct DuePacket {
    std::span<const std::byte> bytes;
    TimePoint due;
  };
  std::optional<DuePacket> due(TimePoint now);
  void settle(TimePoint now, bool taken);  // REQUIRES: due() gave one

  // When due() may give something next, if nothing is offered or changed until then.
  std::optional<TimePoint> next_wake() const;

  std::size_t held() const { return waiting_.size() + under_way_.size(); }
  const DirectionCounters& counters() const { return counters_; }
  // Begins anew; what is held counts as offered again, so that the sum stays right.
  void reset_counters();

 private:
  struct Arrival {
    TimePoint due;
    std::uint64_t number = 0;  // first sent, first delivered, where the times are equal
    PacketPool::Slot slot = 0;
    bool operator>(const Arrival& other) const {
      return due != other.due ? due > other.due : number > other.number;
    }
  };

  void advance(TimePoint now);
  bool queue_has_room(std::uint32_t bytes) const;
  Duration sending_time(std::uint32_t bytes);
  void begin_sending(TimePoint now);  // of the first that waits
  void sent(PacketPool::Slot slot, TimePoint when);
  Duration draw_delay();
  void cut_all();
  void release(PacketPool::Slot slot, DirectionCounters::Count& count);

  DirectionSettings settings_;
  PacketPool pool_;
  LossProcess loss_;
  Random jitter_;
  Ring<PacketPool::Slot> waiting_;   // the first one is being sent
  std::uint64_t waiting_bytes_ = 0;  // without the first
  TimePoint first_is_sent_{};        // when; where one waits
  std::uint64_t carried_ = 0;        // of a nanosecond, in 1/rate: rounding must not add up
  std::vector<Arrival> under_way_;   // a heap, the earliest first
  TimePoint last_due_{};
  std::uint64_t next_number_ = 0;
  std::optional<PacketPool::Slot> buffer_;
  std::vector<std::byte> overflow_;  // where the packet goes for which there is no slot
  DirectionCounters counters_;
};

}  // namespace imgrec::link
