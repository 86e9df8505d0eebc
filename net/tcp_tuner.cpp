#include "net/tcp_tuner.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "common/logging.h"

namespace imgrec::net {
namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

// linux/tcp.h since Linux 6.16; Debian 12's headers are older than the kernels it may run on.
constexpr int kRtoMinUs = 45;      // TCP_RTO_MIN_US
constexpr int kDelayedAckUs = 46;  // TCP_DELACK_MAX_US

constexpr microseconds kLeastResend = 20ms;
constexpr microseconds kMostResend = 200ms;  // the kernel's own

bool set(int fd, int level, int option, std::string_view name, const void* value, socklen_t size) {
  if (::setsockopt(fd, level, option, value, size) == 0) return true;
  spdlog::debug("socket_option_refused option={} error=\"{}\"", name,
                std::generic_category().message(errno));
  return false;
}

void set(int fd, int level, int option, std::string_view name, int value) {
  set(fd, level, option, name, &value, sizeof value);
}

}  // namespace

void TcpTuner::begin(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", 15);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", 5);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", 3);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", 20'000);
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, "TCP_NOTSENT_LOWAT", 128 * 1024);
  set(fd, IPPROTO_TCP, kDelayedAckUs, "TCP_DELACK_MAX_US",
      static_cast<int>(microseconds(kAcknowledge).count()));
  if (const auto figures = read_tcp_figures(fd)) follow(fd, *figures);
}

void TcpTuner::follow(int fd, const TcpFigures& figures) {
  const microseconds round_trip = figures.least_rtt.value_or(0us);
  const std::string_view best = choice_.best(round_trip, figures.counters);
  const std::string_view congestion =
      tuning_.congestion_control == CongestionChoice::kAuto ? best : tuning_.congestion_control;
  if (congestion != congestion_) {
    congestion_ = congestion;
    taken_ = set(fd, IPPROTO_TCP, TCP_CONGESTION, "TCP_CONGESTION", congestion_.data(),
                 static_cast<socklen_t>(congestion_.size()));
    if (!taken_ && tuning_.congestion_control != CongestionChoice::kAuto) {
      spdlog::warn(
          "congestion_control_refused name={} "
          "hint=\"sysctl net.ipv4.tcp_available_congestion_control names those there are\"",
          log_text(congestion_));
    }
  }
  const std::string_view in_use = taken_ ? congestion_ : figures.congestion_control;
  needs_lanes_ = choice_.needs_bbr() && in_use != CongestionChoice::kBbr;
  const auto resend =
      static_cast<int>(std::clamp(round_trip / 4, kLeastResend, kMostResend).count());
  if (round_trip > 0us && resend != resend_us_) {
    resend_us_ = resend;
    set(fd, IPPROTO_TCP, kRtoMinUs, "TCP_RTO_MIN_US", resend);
  }
}

}  // namespace imgrec::net
