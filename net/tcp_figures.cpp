#include "net/tcp_figures.h"

#include <cstddef>
#include <limits>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace imgrec::net {

// tcp_info has grown with the kernel: what lies behind the length that it returns it does not know.
std::optional<TcpFigures> read_tcp_figures(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return std::nullopt;
  const auto knows = [length](std::size_t offset, std::size_t size) {
    return offset + size <= length;
  };
  constexpr auto kNotMeasured = std::numeric_limits<decltype(info.tcpi_min_rtt)>::max();
  TcpFigures figures;
  if (knows(offsetof(tcp_info, tcpi_rtt), sizeof info.tcpi_rtt) && info.tcpi_rtt > 0) {
    figures.rtt = std::chrono::microseconds(info.tcpi_rtt);
  }
  if (knows(offsetof(tcp_info, tcpi_min_rtt), sizeof info.tcpi_min_rtt) &&
      info.tcpi_min_rtt != kNotMeasured) {
    figures.least_rtt = std::chrono::microseconds(info.tcpi_min_rtt);
  }
  if (knows(offsetof(tcp_info, tcpi_unacked), sizeof info.tcpi_unacked)) {
    figures.unacknowledged_bytes =
        static_cast<std::uint64_t>(info.tcpi_unacked) * info.tcpi_snd_mss;
  }
  if (knows(offsetof(tcp_info, tcpi_total_retrans), sizeof info.tcpi_total_retrans)) {
    figures.retransmissions = info.tcpi_total_retrans;
  }
  if (knows(offsetof(tcp_info, tcpi_delivery_rate), sizeof info.tcpi_delivery_rate) &&
      info.tcpi_delivery_rate > 0) {
    figures.delivery_bits_per_s = info.tcpi_delivery_rate * 8;  // the kernel says bytes
  }
  return figures;
}

}  // namespace imgrec::net
