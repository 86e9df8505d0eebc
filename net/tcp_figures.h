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
  std::optional<std::chrono::microseconds> rtt;  // smoothed, of segments and their acknowledgements
  std::optional<std::uint64_t> retransmissions;  // segments sent again since the connection began
  std::optional<std::uint64_t> delivery_bits_per_s;   // of the newest acknowledged data
  std::optional<std::uint64_t> unacknowledged_bytes;  // sent and not acknowledged, to a segment
};

// One system call. nullopt: no TCP socket.
std::optional<TcpFigures> read_tcp_figures(int fd);

}  // namespace imgrec::net
