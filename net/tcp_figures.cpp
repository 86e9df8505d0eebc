#include "net/tcp_figures.h"

#include <array>
#include <cstddef>
#include <limits>

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace imgrec::net {
namespace {

// tcp_info has grown with the kernel: what lies behind the length that it returns it does not know.
struct Answer {
  tcp_info info{};
  socklen_t length = sizeof info;

  bool knows(std::size_t offset, std::size_t size) const { return offset + size <= length; }
};

// The address it is bound to tells, also when the other end is gone already.
bool speaks_ipv4(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return true;
  if (address.ss_family != AF_INET6) return true;
  return IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

std::uint32_t header_bytes(int fd, const tcp_info& info) {
  constexpr std::uint32_t kIpv4 = 20;
  constexpr std::uint32_t kIpv6 = 40;
  constexpr std::uint32_t kTcp = 20;
  constexpr std::uint32_t kTimeStamps = 12;  // padded to whole words
  return (speaks_ipv4(fd) ? kIpv4 : kIpv6) + kTcp +
         ((info.tcpi_options & TCPI_OPT_TIMESTAMPS) != 0 ? kTimeStamps : 0);
}

std::string congestion_control(int fd) {
  std::array<char, 16> name{};  // TCP_CA_NAME_MAX; ends with a zero
  socklen_t length = name.size() - 1;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &length) != 0) return {};
  return name.data();
}

std::optional<TcpCounters> counters(int fd, const Answer& answer) {
  const tcp_info& info = answer.info;
  if (!answer.knows(offsetof(tcp_info, tcpi_bytes_retrans), sizeof info.tcpi_bytes_retrans)) {
    return std::nullopt;
  }
  return TcpCounters{.payload_out = info.tcpi_bytes_sent,
                     .payload_in = info.tcpi_bytes_received,
                     .payload_again = info.tcpi_bytes_retrans,
                     .segments_out = info.tcpi_segs_out,
                     .segments_in = info.tcpi_segs_in,
                     .data_segments_out = info.tcpi_data_segs_out,
                     .retransmissions = info.tcpi_total_retrans,
                     .header_bytes = header_bytes(fd, info)};
}

}  // namespace

std::optional<std::uint64_t> read_acknowledged_bytes(int fd) {
  Answer answer;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &answer.info, &answer.length) != 0 ||
      !answer.knows(offsetof(tcp_info, tcpi_bytes_acked), sizeof answer.info.tcpi_bytes_acked)) {
    return std::nullopt;
  }
  return answer.info.tcpi_bytes_acked;
}

std::optional<Backlog> read_backlog(int fd) {
  for (int tries = 0; tries < 3; ++tries) {  // an acknowledgement may come between two calls
    int unacknowledged = 0;
    int unsent = 0;
    const auto before = read_acknowledged_bytes(fd);
    if (!before || ::ioctl(fd, SIOCOUTQ, &unacknowledged) != 0 ||
        ::ioctl(fd, SIOCOUTQNSD, &unsent) != 0) {
      break;
    }
    if (read_acknowledged_bytes(fd) != before) continue;
    return Backlog{*before, static_cast<std::uint64_t>(unacknowledged),
                   static_cast<std::uint64_t>(unsent)};
  }
  return std::nullopt;
}

std::optional<TcpFigures> read_tcp_figures(int fd) {
  Answer answer;
  const tcp_info& info = answer.info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &answer.info, &answer.length) != 0) {
    return std::nullopt;
  }
  constexpr auto kNotMeasured = std::numeric_limits<decltype(info.tcpi_min_rtt)>::max();
  TcpFigures figures;
  if (answer.knows(offsetof(tcp_info, tcpi_rtt), sizeof info.tcpi_rtt) && info.tcpi_rtt > 0) {
    figures.rtt = std::chrono::microseconds(info.tcpi_rtt);
  }
  if (answer.knows(offsetof(tcp_info, tcpi_min_rtt), sizeof info.tcpi_min_rtt) &&
      info.tcpi_min_rtt != kNotMeasured) {
    figures.least_rtt = std::chrono::microseconds(info.tcpi_min_rtt);
  }
  if (answer.knows(offsetof(tcp_info, tcpi_rto), sizeof info.tcpi_rto) && info.tcpi_rto > 0) {
    figures.resend_after = std::chrono::microseconds(info.tcpi_rto);
  }
  const std::uint64_t segment = info.tcpi_snd_mss;
  if (answer.knows(offsetof(tcp_info, tcpi_unacked), sizeof info.tcpi_unacked)) {
    figures.unacknowledged_bytes = info.tcpi_unacked * segment;
  }
  if (answer.knows(offsetof(tcp_info, tcpi_snd_cwnd), sizeof info.tcpi_snd_cwnd)) {
    figures.congestion_window_bytes = info.tcpi_snd_cwnd * segment;
  }
  if (answer.knows(offsetof(tcp_info, tcpi_delivery_rate), sizeof info.tcpi_delivery_rate) &&
      info.tcpi_delivery_rate > 0) {
    figures.delivery_bits_per_s = info.tcpi_delivery_rate * 8;  // the kernel says bytes
  }
  figures.congestion_control = congestion_control(fd);
  figures.counters = counters(fd, answer);
  return figures;
}

}  // namespace imgrec::net
