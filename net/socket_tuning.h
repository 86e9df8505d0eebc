// Socket options of the connection between a manager and a worker, the same at both ends.
//
// Thread rule: pure, but for the socket it is given. Owns nothing.
#pragma once

#include <string>

namespace imgrec::net {

struct SocketTuning {
  // At 1 to 15 % of loss BBR keeps most of a link that CUBIC gives up. "": what the kernel takes by
  // itself, as also where it has not the one that is named.
  std::string congestion_control = "bbr";
};

// For a connected socket: no Nagle, keepalive after 15 s (each 5 s, 3 times), unacknowledged data
// fails the connection after 20 s, at most 128 KiB unsent in the kernel (so that heartbeats do not
// queue behind it), the congestion control, and timers that know the link: the kernel waits 200 ms
// for the answer to a lone segment, which on a link of 2 ms is what a lost one costs. Both ends
// acknowledge within 10 ms and send again after a round trip and 20 ms, or a quarter of the round trip
// where that is more (Linux 6.16). All of it is best effort: what the kernel refuses is logged at
// debug level.
void tune_socket(int fd, const SocketTuning& tuning = {});

}  // namespace imgrec::net
