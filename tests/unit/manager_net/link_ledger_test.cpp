#include "manager/net/link_ledger.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

constexpr LinkLedger::TimePoint kStart{};
constexpr WorkerId kFirst{1};
constexpr WorkerId kAgain{2};  // the same worker, come back: another connection

net::TcpFigures carried(std::uint64_t out, std::uint32_t segments, std::uint32_t again = 0) {
  net::TcpFigures figures;
  figures.counters = net::TcpCounters{.payload_out = out,
                                      .payload_in = out / 100,
                                      .segments_out = segments,
                                      .data_segments_out = segments,
                                      .retransmissions = again,
                                      .header_bytes = 40};
  return figures;
}

TEST(LinkLedger, CountsAConnectionOnceHoweverOftenItIsRead) {
  LinkLedger ledger(kStart);
  EXPECT_FALSE(ledger.link(kFirst));
  ledger.read(kFirst, carried(1'000, 10, 1), kStart + 1s);
  ledger.read(kFirst, carried(1'000, 10, 1), kStart + 1s);
  ledger.read(kFirst, carried(3'000, 30, 2), kStart + 2s);
  EXPECT_EQ(ledger.all().traffic.wire_bytes_out, 3'000u + 30 * 40);
  EXPECT_EQ(ledger.all().traffic.retransmissions, 2u);
  ASSERT_TRUE(ledger.link(kFirst)->wire);
  EXPECT_EQ(ledger.link(kFirst)->wire->traffic.wire_bytes_out, 3'000u + 30 * 40);
}

TEST(LinkLedger, ItsSumOnlyGrowsAsAWorkerLeavesAndComesBack) {
  LinkLedger ledger(kStart);
  ledger.read(kFirst, carried(5'000, 50), kStart + 1s);
  ledger.forget(kFirst);
  EXPECT_FALSE(ledger.link(kFirst));
  EXPECT_EQ(ledger.all().traffic.wire_bytes_out, 5'000u + 50 * 40);
  ledger.read(kAgain, carried(100, 1), kStart + 2s);
  EXPECT_EQ(ledger.all().traffic.wire_bytes_out, 5'100u + 51 * 40);
  EXPECT_EQ(ledger.link(kAgain)->wire->traffic.wire_bytes_out, 140u) << "its own connection's";
}

TEST(LinkLedger, HasTheRatesOfEachConnectionAndOfAll) {
  LinkLedger ledger(kStart);
  for (unsigned second = 0; second <= 20; ++second) {
    const auto now = kStart + std::chrono::seconds(second);
    ledger.read(kFirst, carried(second * 960, second), now);
    ledger.read(kAgain, carried(second * 1'960, second, second / 2), now);
    ledger.on_second(now);
  }
  EXPECT_DOUBLE_EQ(ledger.link(kFirst)->wire->last_10s.bits_out_per_s, 8'000);
  EXPECT_DOUBLE_EQ(ledger.link(kAgain)->wire->last_10s.bits_out_per_s, 16'000);
  EXPECT_DOUBLE_EQ(*ledger.link(kAgain)->wire->last_minute.retransmitted, 0.5);
  EXPECT_DOUBLE_EQ(ledger.all().last_minute.bits_out_per_s, 24'000);
  EXPECT_DOUBLE_EQ(*ledger.all().last_minute.retransmitted, 0.25);
  ledger.forget(kAgain);
  EXPECT_DOUBLE_EQ(ledger.all().last_minute.bits_out_per_s, 24'000) << "it was there";
}

TEST(LinkLedger, SaysNothingOfTrafficThatTheKernelDoesNotCount) {
  LinkLedger ledger(kStart);
  net::TcpFigures old;
  old.rtt = 5ms;
  ledger.read(kFirst, old, kStart);
  EXPECT_EQ(ledger.link(kFirst)->tcp.rtt, 5ms);
  EXPECT_FALSE(ledger.link(kFirst)->wire);
}

}  // namespace
}  // namespace imgrec::manager
