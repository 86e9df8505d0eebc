// What the kernel measures of a TCP connection (TCP_INFO). TLS over it changes nothing: it is the
// socket underneath that is asked.
//
// Thread rule: pure, but for the socket it is given. Owns nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace imgrec::net {

// nullopt: this kernel does not say, or nothing has been measured yet.
struct TcpFigures {
  // Of segments and their acknowledgements, which the other side may delay by some 40 ms.
  std::optional<std::chrono::microseconds> rtt;        // smoothed
  std::optional<std::chrono::microseconds> least_rtt;  // of the last minutes: the path alone
  std::optional<std::uint64_t> retransmissions;        // segments sent again since the beginning
  std::optional<std::uint64_t> delivery_bits_per_s;    // of the newest acknowledged data
  std::optional<std::uint64_t> unacknowledged_bytes;   // sent and not acknowledged, to a segment
};

// One system call. nullopt: no TCP socket.
std::optional<TcpFigures> read_tcp_figures(int fd);

}  // namespace imgrec::net
