// How much of what was sent lately was sent again: TCP's counters since the last time that enough
// segments had gone out.
//
// Thread rule: confined to one thread. Owns: nothing but numbers.
#pragma once

#include <cstdint>
#include <optional>

#include "net/tcp_figures.h"

namespace imgrec::net {

class LossWindow {
 public:
  struct Seen {
    std::uint64_t sent = 0;   // segments with payload
    std::uint64_t again = 0;  // of these

    // At least one in `so_many` was sent again.
    bool lost_one_in(std::uint64_t so_many) const { return again * so_many >= sent; }
  };

  // `counters`: of one connection, as they grow. nullopt: fewer than `enough` segments since the
  // last time that this said something; it goes on counting.
  std::optional<Seen> look(const TcpCounters& counters, std::uint32_t enough) {
    const std::uint32_t sent = counters.data_segments_out - sent_;  // they wrap around
    const std::uint32_t again = counters.retransmissions - again_;
    if (sent < enough) return std::nullopt;
    sent_ = counters.data_segments_out;
    again_ = counters.retransmissions;
    return Seen{sent, again};
  }

 private:
  std::uint32_t sent_ = 0;
  std::uint32_t again_ = 0;
};

}  // namespace imgrec::net
