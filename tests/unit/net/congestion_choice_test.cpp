#include "net/congestion_choice.h"

#include <gtest/gtest.h>

namespace imgrec::net {
namespace {

using namespace std::chrono_literals;

TcpCounters counters(std::uint32_t sent, std::uint32_t again) {
  TcpCounters counters;
  counters.data_segments_out = sent;
  counters.retransmissions = again;
  return counters;
}

TEST(CongestionChoice, IsBbrOnShortWaysAndCubicOnLongOnes) {
  CongestionChoice choice;
  EXPECT_EQ(choice.best(2ms, counters(0, 0)), "bbr");
  EXPECT_EQ(choice.best(1s, counters(0, 0)), "cubic");
}

TEST(CongestionChoice, FollowsARoundTripThatWasTakenForLong) {
  CongestionChoice choice;
  EXPECT_EQ(choice.best(1s, {}), "cubic") << "a SYN was lost";
  EXPECT_EQ(choice.best(2ms, {}), "bbr");
}

TEST(CongestionChoice, IsBbrWherePacketsAreLostOnceEnoughWereSent) {
  CongestionChoice choice;
  EXPECT_EQ(choice.best(1s, counters(90, 9)), "cubic") << "too few to tell";
  EXPECT_EQ(choice.best(1s, counters(100, 10)), "bbr");
}

TEST(CongestionChoice, ForgivesWhatIsRare) {
  CongestionChoice choice;
  EXPECT_EQ(choice.best(1s, counters(100, 7)), "cubic") << "too few lost to tell";
  EXPECT_EQ(choice.best(1s, counters(10'100, 90)), "cubic");
}

TEST(CongestionChoice, LooksAtWhatCameSinceTheLastTime) {
  CongestionChoice choice;
  EXPECT_EQ(choice.best(1s, counters(1'000'000, 0)), "cubic");
  EXPECT_EQ(choice.best(1s, counters(1'000'200, 20)), "bbr");
}

TEST(CongestionChoice, ComesBackWhenTheBadTimeIsOver) {
  CongestionChoice choice;
  EXPECT_EQ(choice.best(1s, counters(200, 50)), "bbr");
  EXPECT_EQ(choice.best(1s, counters(1'000, 50)), "bbr") << "too few to tell";
  EXPECT_EQ(choice.best(1s, counters(2'200, 54)), "bbr") << "one of 500 is still much";
  EXPECT_EQ(choice.best(1s, counters(4'200, 55)), "cubic");
}

TEST(CongestionChoice, NeedsBbrWhereMoreIsLostThanProbingLoses) {
  CongestionChoice choice;
  choice.best(2ms, counters(100, 3));
  EXPECT_FALSE(choice.needs_bbr());
  choice.best(2ms, counters(300, 11));
  EXPECT_TRUE(choice.needs_bbr()) << "8 of 200";
  choice.best(2ms, counters(300 + 2'000, 11 + 20));
  EXPECT_FALSE(choice.needs_bbr()) << "1 in 100";
}

TEST(CongestionChoice, CountsAcrossTheEndOfTheCounters) {
  CongestionChoice choice;
  EXPECT_EQ(choice.best(1s, counters(0xFFFFFF00, 0xFFFFFF)), "cubic");
  EXPECT_EQ(choice.best(1s, counters(0x00000100, 0x1000000)), "cubic") << "one of 512";
  EXPECT_EQ(choice.best(1s, counters(0x00000300, 0x1000040)), "bbr");
}

}  // namespace
}  // namespace imgrec::net
