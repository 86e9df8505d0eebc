#include "net/tcp_traffic.h"

#include <gtest/gtest.h>

namespace imgrec::net {
namespace {

using namespace std::chrono_literals;

constexpr TrafficMeter::TimePoint kStart{};

TcpTraffic sent(std::uint64_t bytes, std::uint64_t segments = 0, std::uint64_t again = 0) {
  return {.wire_bytes_out = bytes,
          .wire_bytes_in = bytes / 10,
          .data_segments_out = segments,
          .retransmissions = again};
}

TEST(TcpTraffic, CountsPayloadAndTheHeadersOfEverySegment) {
  const TcpCounters begun{};
  const TcpCounters now{.payload_out = 14'480,
                        .payload_in = 300,
                        .payload_again = 1'448,
                        .segments_out = 12,
                        .segments_in = 9,
                        .data_segments_out = 10,
                        .retransmissions = 1,
                        .header_bytes = 52};
  const TcpTraffic traffic = traffic_between(begun, now);
  EXPECT_EQ(traffic.wire_bytes_out, 14'480u + 12 * 52);
  EXPECT_EQ(traffic.wire_bytes_in, 300u + 9 * 52);
  EXPECT_EQ(traffic.segments_out, 12u);
  EXPECT_EQ(traffic.segments_in, 9u);
  EXPECT_EQ(traffic.data_segments_out, 10u);
  EXPECT_EQ(traffic.retransmissions, 1u);
  EXPECT_EQ(traffic.retransmitted_bytes, 1'448u);
}

TEST(TcpTraffic, GrowsOnWhereTheKernelsCountersOfSegmentsWrapAround) {
  const TcpCounters before{.segments_out = 0xFFFF'FFF0u,
                           .segments_in = 0xFFFF'FFFFu,
                           .data_segments_out = 0xFFFF'FFFEu,
                           .retransmissions = 0xFFFF'FFFFu,
                           .header_bytes = 40};
  const TcpCounters after{.segments_out = 0x10,
                          .segments_in = 1,
                          .data_segments_out = 3,
                          .retransmissions = 0,
                          .header_bytes = 40};
  const TcpTraffic traffic = traffic_between(before, after);
  EXPECT_EQ(traffic.segments_out, 0x20u);
  EXPECT_EQ(traffic.wire_bytes_out, 0x20u * 40);
  EXPECT_EQ(traffic.wire_bytes_in, 2u * 40);
  EXPECT_EQ(traffic.data_segments_out, 5u);
  EXPECT_EQ(traffic.retransmissions, 1u);
}

TEST(TrafficMeter, SaysBitsASecondOfTheLastTenSecondsTheLastMinuteAndSinceTheStart) {
  TrafficMeter meter(kStart);
  std::uint64_t bytes = 0;
  for (int second = 1; second <= 100; ++second) {
    bytes += second <= 40 ? 5'000 : second <= 90 ? 1'000 : 2'000;
    meter.sample(sent(bytes), kStart + std::chrono::seconds(second));
  }
  EXPECT_DOUBLE_EQ(meter.over(10s).bits_out_per_s, 16'000);
  EXPECT_DOUBLE_EQ(meter.over(10s).bits_in_per_s, 1'600);
  EXPECT_DOUBLE_EQ(meter.over(60s).bits_out_per_s, (50 * 8'000 + 10 * 16'000) / 60.0);
  EXPECT_DOUBLE_EQ(meter.overall().bits_out_per_s, 8.0 * static_cast<double>(bytes) / 100);
}

TEST(TrafficMeter, DividesByTheTimeThatPassedWhereTimersAreLate) {
  TrafficMeter meter(kStart);
  for (int second = 1; second <= 20; ++second) {
    const auto at = std::chrono::milliseconds(1003 * second);
    meter.sample(sent(static_cast<std::uint64_t>(at.count()) * 10), kStart + at);
  }
  EXPECT_NEAR(meter.over(10s).bits_out_per_s, 80'000, 1e-6);
  meter.sample(sent(300'600), kStart + 30'060ms);  // ten seconds of nothing heard, and then
  EXPECT_NEAR(meter.over(10s).bits_out_per_s, 80'000, 1e-6);
}

TEST(TrafficMeter, OfABeginningMakesNoBurst) {
  TrafficMeter meter(kStart);
  EXPECT_EQ(meter.over(10s).bits_out_per_s, 0);
  EXPECT_EQ(meter.overall().bits_out_per_s, 0);
  meter.sample(sent(1'000), kStart + 1ms);
  EXPECT_DOUBLE_EQ(meter.over(10s).bits_out_per_s, 8'000) << "as if it were a second";
  meter.sample(sent(2'000), kStart + 2s);
  EXPECT_DOUBLE_EQ(meter.over(60s).bits_out_per_s, 8'000) << "since the start, not a minute";
}

TEST(TrafficMeter, SaysWhichShareOfTheSegmentsWasSentAgain) {
  TrafficMeter meter(kStart);
  EXPECT_FALSE(meter.over(60s).retransmitted) << "nothing was sent";
  meter.sample(sent(0, 100, 50), kStart + 1s);
  meter.sample(sent(0, 200, 60), kStart + 62s);
  EXPECT_DOUBLE_EQ(*meter.overall().retransmitted, 0.3);
  meter.sample(sent(0, 300, 80), kStart + 63s);
  EXPECT_DOUBLE_EQ(*meter.over(10s).retransmitted, 0.2) << "of the last ten seconds alone";
  meter.sample(sent(0, 300, 80), kStart + 80s);
  EXPECT_FALSE(meter.over(10s).retransmitted);
}

}  // namespace
}  // namespace imgrec::net
