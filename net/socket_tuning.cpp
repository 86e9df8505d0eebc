#include "net/socket_tuning.h"

#include <cerrno>
#include <string_view>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

namespace imgrec::net {
namespace {

void set(int fd, int level, int option, std::string_view name, const void* value, socklen_t size) {
  if (::setsockopt(fd, level, option, value, size) == 0) return;
  spdlog::debug("socket_option_refused option={} error=\"{}\"", name,
                std::generic_category().message(errno));
}

void set(int fd, int level, int option, std::string_view name, int value) {
  set(fd, level, option, name, &value, sizeof value);
}

}  // namespace

void tune_socket(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", 15);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", 5);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", 3);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", 20'000);
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, "TCP_NOTSENT_LOWAT", 128 * 1024);
  constexpr std::string_view kBbr = "bbr";
  set(fd, IPPROTO_TCP, TCP_CONGESTION, "TCP_CONGESTION", kBbr.data(),
      static_cast<socklen_t>(kBbr.size()));
}

}  // namespace imgrec::net
