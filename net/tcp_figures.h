// What the kernel measures of a TCP connection (TCP_INFO). TLS over it changes nothing: it is the
// socket underneath that is asked.
//
// Thread rule: pure, but for the socket it is given. Owns nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace imgrec::net {

// What a connection has carried since it began. Those of 32 bits wrap around, as the kernel's do.
struct TcpCounters {
  std::uint64_t payload_out = 0;        // bytes; what is sent again counts each time
  std::uint64_t payload_in = 0;         // bytes, each once, however often it came
  std::uint64_t payload_again = 0;      // of payload_out: sent again
  std::uint32_t segments_out = 0;       // bare acknowledgements too, but not SYN
  std::uint32_t segments_in = 0;        // each time that they came
  std::uint32_t data_segments_out = 0;  // those with payload
  std::uint32_t retransmissions = 0;    // of these: sent again
  std::uint32_t header_bytes = 0;       // of each segment: IP, TCP, time stamps where in use
};

// nullopt: this kernel does not say, or nothing has been measured yet.
struct TcpFigures {
  unsigned connections = 1;  // whose figures these are, added up
  // Of segments and their acknowledgements, which the other side may delay: some 40 ms, or what
  // tcp_tuner.h asks for.
  std::optional<std::chrono::microseconds> rtt;        // smoothed
  std::optional<std::chrono::microseconds> least_rtt;  // of the last minutes: the path alone
  // How long TCP waits for an answer before it sends again.
  std::optional<std::chrono::microseconds> resend_after = {};
  std::optional<std::uint64_t> delivery_bits_per_s;      // of the newest acknowledged data
  std::optional<std::uint64_t> unacknowledged_bytes;     // sent and not acknowledged, to a segment
  std::optional<std::uint64_t> congestion_window_bytes;  // what may be so, to a segment
  std::string congestion_control;                        // "bbr", "cubic"…; "": not known
  std::optional<TcpCounters> counters;                   // Linux 4.19
};

// Bytes that the other side has acknowledged since the connection began. nullopt: not known.
std::optional<std::uint64_t> read_acknowledged_bytes(int fd);

// What was handed to the kernel, in bytes.
struct Backlog {
  std::uint64_t acknowledged = 0;    // since the connection began
  std::uint64_t unacknowledged = 0;  // beyond that, sent or not
  std::uint64_t unsent = 0;          // of these
};
// nullopt: not known.
std::optional<Backlog> read_backlog(int fd);

// A few system calls. nullopt: no TCP socket.
std::optional<TcpFigures> read_tcp_figures(int fd);

}  // namespace imgrec::net
