#include "net/socket_tuning.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string_view>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "net/congestion_choice.h"
#include "net/tcp_figures.h"

namespace imgrec::net {

using std::chrono::microseconds;
using namespace std::chrono_literals;

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

void fit_timers(int fd, microseconds round_trip) {
  constexpr microseconds kAcknowledge = 10ms;
  constexpr microseconds kLeast = 20ms;
  constexpr microseconds kMost = 200ms;  // the kernel's own
  set(fd, IPPROTO_TCP, kDelayedAckUs, "TCP_DELACK_MAX_US", static_cast<int>(kAcknowledge.count()));
  set(fd, IPPROTO_TCP, kRtoMinUs, "TCP_RTO_MIN_US",
      static_cast<int>(std::clamp(round_trip / 4, kLeast, kMost).count()));
}

}  // namespace

void set_congestion_control(int fd, std::string_view name) {
  if (name.empty()) return;
  set(fd, IPPROTO_TCP, TCP_CONGESTION, "TCP_CONGESTION", name.data(),
      static_cast<socklen_t>(name.size()));
}

void tune_socket(int fd, const SocketTuning& tuning) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", 15);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", 5);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", 3);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", 20'000);
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, "TCP_NOTSENT_LOWAT", 128 * 1024);
  const auto figures = read_tcp_figures(fd);
  const auto round_trip = figures ? figures->least_rtt : std::nullopt;
  if (tuning.congestion_control == CongestionChoice::kAuto) {
    set_congestion_control(fd, CongestionChoice::first(round_trip.value_or(0us)));
  } else {
    set_congestion_control(fd, tuning.congestion_control);
  }
  if (round_trip) fit_timers(fd, *round_trip);
}

}  // namespace imgrec::net
