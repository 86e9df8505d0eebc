#include "net/tcp_traffic.h"

#include <algorithm>

namespace imgrec::net {
namespace {

using Seconds = std::chrono::duration<double>;

// A rate over less than this would be noise: all that a connection began with, over an instant.
constexpr Seconds kShortest{1};
// Samples come a second apart, give or take what a timer is late.
constexpr std::chrono::milliseconds kSlack{500};

}  // namespace

TcpTraffic& TcpTraffic::operator+=(const TcpTraffic& more) {
  wire_bytes_out += more.wire_bytes_out;
  wire_bytes_in += more.wire_bytes_in;
  segments_out += more.segments_out;
  segments_in += more.segments_in;
  data_segments_out += more.data_segments_out;
  retransmissions += more.retransmissions;
  retransmitted_bytes += more.retransmitted_bytes;
  return *this;
}

TcpTraffic traffic_between(const TcpCounters& before, const TcpCounters& now) {
  // In their own width, so that a counter which wrapped around is ahead still.
  const std::uint32_t out = now.segments_out - before.segments_out;
  const std::uint32_t in = now.segments_in - before.segments_in;
  const std::uint32_t data = now.data_segments_out - before.data_segments_out;
  const std::uint32_t again = now.retransmissions - before.retransmissions;
  const std::uint64_t header = now.header_bytes;
  return {.wire_bytes_out = now.payload_out - before.payload_out + out * header,
          .wire_bytes_in = now.payload_in - before.payload_in + in * header,
          .segments_out = out,
          .segments_in = in,
          .data_segments_out = data,
          .retransmissions = again,
          .retransmitted_bytes = now.payload_again - before.payload_again};
}

TrafficMeter::Rate TrafficMeter::over(std::chrono::seconds window) const {
  const Point& now = point(0);
  std::size_t age = 0;
  while (age + 1 < size_ && now.at - point(age + 1).at <= window + kSlack) ++age;
  return between(point(age), now);
}

TrafficMeter::Rate TrafficMeter::overall() const { return between({start_, {}}, point(0)); }

void TrafficMeter::add_point(const Point& point) {
  ring_[next_] = point;
  next_ = (next_ + 1) % kPoints;
  if (size_ < kPoints) ++size_;
}

const TrafficMeter::Point& TrafficMeter::point(std::size_t age) const {
  return ring_[(next_ + kPoints - 1 - age) % kPoints];
}

TrafficMeter::Rate TrafficMeter::between(const Point& before, const Point& now) {
  const double span = std::max(Seconds(now.at - before.at), kShortest).count();
  const auto grown = [&](std::uint64_t TcpTraffic::*counter) {
    return static_cast<double>(now.traffic.*counter - before.traffic.*counter);
  };
  Rate rate{.bits_out_per_s = grown(&TcpTraffic::wire_bytes_out) * 8 / span,
            .bits_in_per_s = grown(&TcpTraffic::wire_bytes_in) * 8 / span,
            .retransmitted = std::nullopt};
  if (const double sent = grown(&TcpTraffic::data_segments_out); sent > 0) {
    rate.retransmitted = std::min(grown(&TcpTraffic::retransmissions) / sent, 1.0);
  }
  return rate;
}

}  // namespace imgrec::net
