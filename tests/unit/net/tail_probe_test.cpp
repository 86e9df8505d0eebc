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

class TailProbeTest : public ::testing::Test {
 protected:
  // As if so much had been sent, and lost, since the last time.
  bool probes(std::uint32_t sent, std::uint32_t lost, std::chrono::microseconds round_trip = 2ms) {
    sent_ += sent;
    lost_ += lost;
    probe_.written(way(round_trip, sent_, lost_), now_);
    return probe_.next().has_value();
  }
  bool due(const Backlog& backlog) {
    now_ = probe_.next().value();
    return probe_.due(backlog, now_);
  }
  std::uint32_t sent_ = 0;
  std::uint32_t lost_ = 0;
  TailProbe::TimePoint now_{};
  TailProbe probe_;
};

TEST_F(TailProbeTest, RestsWhereNothingIsKnown) {
  probe_.written({}, now_);
  EXPECT_FALSE(probe_.next());
}

TEST_F(TailProbeTest, RestsWhereNextToNothingIsLost) {
  EXPECT_FALSE(probes(10, 1)) << "too few to tell";
  EXPECT_FALSE(probes(991, 9)) << "less than one in a hundred";
}

TEST_F(TailProbeTest, RestsOnLongWays) {
  EXPECT_FALSE(probes(30, 3, 50ms));
  EXPECT_TRUE(probes(1, 0, 40ms));
}

TEST_F(TailProbeTest, KnowsALossyWayByWhatIsLostNow) {
  EXPECT_FALSE(probes(5'000'000, 0)) << "clean for a day";
  EXPECT_TRUE(probes(70, 7)) << "a bad hour begins";
  EXPECT_TRUE(probes(300, 0)) << "not many enough to take it back";
  EXPECT_FALSE(probes(300, 1)) << "and it ends";
}

TEST_F(TailProbeTest, ManagesCountersThatWrapAround) {
  EXPECT_FALSE(probes(4'294'967'000, 0));
  EXPECT_FALSE(probes(1000, 2));
  EXPECT_TRUE(probes(1000, 100));
}

class Tail : public TailProbeTest {
 protected:
  Tail() { probes(30, 3); }
};

TEST_F(Tail, IsLookedAtAfterTwoRoundTrips) {
  ASSERT_TRUE(probe_.next());
  EXPECT_EQ(*probe_.next(), TailProbe::TimePoint(6ms));
  EXPECT_TRUE(due({.acknowledged = 1000, .unacknowledged = 847, .unsent = 0}));
  EXPECT_EQ(*probe_.next(), TailProbe::TimePoint(12ms));
}

TEST_F(Tail, IsOverWhenAllOfItIsAcknowledged) {
  EXPECT_TRUE(due({.acknowledged = 1000, .unacknowledged = 847, .unsent = 0}));
  EXPECT_TRUE(due({.acknowledged = 1000, .unacknowledged = 887, .unsent = 0}));
  EXPECT_FALSE(due({.acknowledged = 1847, .unacknowledged = 80, .unsent = 0}))
      << "its own PINGs do not matter";
  EXPECT_FALSE(probe_.next());
}

TEST_F(Tail, IsLeftAloneWhileMoreIsToCome) {
  EXPECT_FALSE(due({.acknowledged = 0, .unacknowledged = 90'000, .unsent = 60'000}));
  EXPECT_TRUE(probe_.next());
  EXPECT_TRUE(due({.acknowledged = 60'000, .unacknowledged = 30'000, .unsent = 0}));
}

TEST_F(Tail, IsGivenUpAtSomeTime) {
  unsigned said = 0;
  for (unsigned i = 0; i < 1000 && probe_.next(); ++i) {
    if (due({.acknowledged = 0, .unacknowledged = 847, .unsent = 0})) ++said;
  }
  EXPECT_EQ(said, TailProbe::kMostSaid);
  EXPECT_FALSE(probe_.next());
  ASSERT_TRUE(probes(1, 0));
  unsigned looked = 0;
  for (; looked < 1000 && probe_.next(); ++looked) {
    EXPECT_FALSE(due({.acknowledged = 0, .unacknowledged = 847, .unsent = 800}));
  }
  EXPECT_EQ(looked, TailProbe::kMostLooked + 1);
}

TEST_F(Tail, BeginsAnewWithTheNextWrite) {
  EXPECT_TRUE(due({.acknowledged = 0, .unacknowledged = 847, .unsent = 0}));
  ASSERT_TRUE(probes(2, 0));
  EXPECT_TRUE(due({.acknowledged = 847, .unacknowledged = 847, .unsent = 0}));
  EXPECT_FALSE(due({.acknowledged = 1694, .unacknowledged = 40, .unsent = 0}));
}

}  // namespace
}  // namespace imgrec::net
