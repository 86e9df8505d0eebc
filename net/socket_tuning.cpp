#include "net/socket_tuning.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "net/tcp_figures.h"

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

namespace {

// linux/tcp.h since Linux 6.16; Debian 12's headers are older than the kernels it may run on.
constexpr int kRtoMinUs = 45;      // TCP_RTO_MIN_US
constexpr int kDelayedAckUs = 46;  // TCP_DELACK_MAX_US

void fit_timers(int fd) {
  using std::chrono::microseconds;
  constexpr microseconds kAcknowledge{10'000};
  constexpr microseconds kLeast{20'000};
  constexpr microseconds kMost{200'000};  // the kernel's own
  const auto figures = read_tcp_figures(fd);
  if (!figures || !figures->least_rtt) return;  // not connected yet
  set(fd, IPPROTO_TCP, kDelayedAckUs, "TCP_DELACK_MAX_US", static_cast<int>(kAcknowledge.count()));
  set(fd, IPPROTO_TCP, kRtoMinUs, "TCP_RTO_MIN_US",
      static_cast<int>(std::clamp(*figures->least_rtt / 4, kLeast, kMost).count()));
}

}  // namespace

void tune_socket(int fd, const SocketTuning& tuning) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", 15);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", 5);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", 3);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", 20'000);
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, "TCP_NOTSENT_LOWAT", 128 * 1024);
  if (!tuning.congestion_control.empty()) {
    set(fd, IPPROTO_TCP, TCP_CONGESTION, "TCP_CONGESTION", tuning.congestion_control.data(),
        static_cast<socklen_t>(tuning.congestion_control.size()));
  }
  fit_timers(fd);
}

}  // namespace imgrec::net
