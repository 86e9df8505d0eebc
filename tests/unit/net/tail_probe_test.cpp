#include "net/tail_probe.h"

#include <gtest/gtest.h>

namespace imgrec::net {
namespace {

using namespace std::chrono_literals;

TcpFigures way(std::chrono::microseconds round_trip, std::uint32_t sent, std::uint32_t lost) {
  TcpFigures figures;
  figures.least_rtt = round_trip;
  figures.counters.emplace();
  figures.counters->data_segments_out = sent;
  figures.counters->retransmissions = lost;
  return figures;
}

class LossyShortWay : public ::testing::Test {
 protected:
  LossyShortWay() {
    probe_.look(way(2ms, 30, 3));
    probe_.written(now_);
  }
  bool due(Backlog backlog) {
    now_ = probe_.next().value();
    return probe_.due(backlog, now_);
  }
  TailProbe::TimePoint now_{};
  TailProbe probe_;
};

TEST(TailProbe, RestsWhereNothingIsLost) {
  TailProbe probe;
  probe.written({});
  EXPECT_FALSE(probe.next()) << "nothing is known";
  probe.look(way(2ms, 1000, 0));
  probe.written({});
  EXPECT_FALSE(probe.next());
  probe.look(way(2ms, 1000, 9));
  probe.written({});
  EXPECT_FALSE(probe.next()) << "less than one in a hundred";
}

TEST(TailProbe, RestsOnLongWays) {
  TailProbe probe;
  probe.look(way(50ms, 30, 3));
  probe.written({});
  EXPECT_FALSE(probe.next());
}

TEST_F(LossyShortWay, IsAskedAfterTwoRoundTrips) {
  ASSERT_TRUE(probe_.next());
  EXPECT_EQ(*probe_.next(), TailProbe::TimePoint(6ms));
}

TEST_F(LossyShortWay, RestsWhenAllIsAcknowledged) {
  EXPECT_TRUE(due({.acknowledged = 1000, .unacknowledged = 847, .unsent = 0}));
  EXPECT_TRUE(due({.acknowledged = 1000, .unacknowledged = 887, .unsent = 0}));
  EXPECT_FALSE(due({.acknowledged = 1847, .unacknowledged = 80, .unsent = 0}))
      << "its own PINGs do not matter";
  EXPECT_FALSE(probe_.next());
}

TEST_F(LossyShortWay, SaysNothingWhileMoreIsToCome) {
  EXPECT_FALSE(due({.acknowledged = 0, .unacknowledged = 90'000, .unsent = 60'000}));
  EXPECT_TRUE(probe_.next());
  EXPECT_TRUE(due({.acknowledged = 60'000, .unacknowledged = 30'000, .unsent = 0}));
}

TEST_F(LossyShortWay, EndsAtSomeTime) {
  int said = 0;
  while (probe_.next())
    said += due({.acknowledged = 0, .unacknowledged = 847, .unsent = 0}) ? 1 : 0;
  EXPECT_EQ(said, 10);
  probe_.written(now_);
  int looked = 0;
  for (; probe_.next(); ++looked) due({.acknowledged = 0, .unacknowledged = 847, .unsent = 800});
  EXPECT_LT(looked, 200);
}

TEST_F(LossyShortWay, BeginsAnewWithTheNextWrite) {
  EXPECT_TRUE(due({.acknowledged = 0, .unacknowledged = 847, .unsent = 0}));
  probe_.written(now_);
  EXPECT_TRUE(due({.acknowledged = 847, .unacknowledged = 847, .unsent = 0}));
  EXPECT_FALSE(due({.acknowledged = 1694, .unacknowledged = 40, .unsent = 0}));
}

}  // namespace
}  // namespace imgrec::net
