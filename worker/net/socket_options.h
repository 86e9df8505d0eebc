// TCP options of the connection to a manager.
//
// Thread rule: pure, but for the socket it is given. Owns nothing.
#pragma once

namespace imgrec::worker {

// No Nagle, keepalive after 15 s (each 5 s, 3 times), unacknowledged data fails the connection
// after 20 s, at most 128 KiB unsent in the kernel (so that heartbeats do not queue behind it), and
// BBR where the kernel has it: with CUBIC 15 % loss leaves a fiftieth of the rate. All of it is
// best effort: what the kernel refuses is logged at debug level.
void tune_socket(int fd);

}  // namespace imgrec::worker
