// Socket options for long-lived connections that carry large frames one way.
//
// Thread rule: pure functions of the descriptor. Owns nothing.
#pragma once

namespace imgrec::manager {

// TCP_NODELAY, keepalive 15/5/3 s, TCP_USER_TIMEOUT 20 s, TCP_NOTSENT_LOWAT 128 KiB, and BBR where
// the kernel lets us (at 1 to 15 % loss it keeps most of a link that CUBIC gives up). Best effort:
// what the kernel does not have is skipped.
void tune_worker_socket(int fd);

}  // namespace imgrec::manager
