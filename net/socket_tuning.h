// Socket options of the connection between a manager and a worker, the same at both ends.
//
// Thread rule: pure, but for the socket it is given. Owns nothing.
#pragma once

namespace imgrec::net {

// No Nagle, keepalive after 15 s (each 5 s, 3 times), unacknowledged data fails the connection
// after 20 s, at most 128 KiB unsent in the kernel (so that heartbeats do not queue behind it), and
// BBR where the kernel has it (at 1 to 15 % loss it keeps most of a link that CUBIC gives up). All
// of it is best effort: what the kernel refuses is logged at debug level.
void tune_socket(int fd);

}  // namespace imgrec::net
