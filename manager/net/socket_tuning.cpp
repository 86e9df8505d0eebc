#include "manager/net/socket_tuning.h"

#include <string_view>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace imgrec::manager {
namespace {

void set(int fd, int level, int name, int value) {
  // Best effort by design: a kernel without the option still carries the frames.
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

}  // namespace

void tune_worker_socket(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 20'000);
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 128 * 1024);
  constexpr std::string_view kBbr = "bbr";
  (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, kBbr.data(), kBbr.size());
}

}  // namespace imgrec::manager
