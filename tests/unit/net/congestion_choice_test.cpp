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
  EXPECT_EQ(CongestionChoice::first(2ms), "bbr");
  EXPECT_EQ(CongestionChoice::first(1s), "cubic");
}

TEST(CongestionChoice, SeesLossOnceEnoughWasSent) {
  CongestionChoice choice;
  EXPECT_FALSE(choice.sees_loss(counters(50, 5))) << "too few to tell";
  EXPECT_TRUE(choice.sees_loss(counters(100, 5)));
}

TEST(CongestionChoice, ForgivesWhatIsRare) {
  CongestionChoice choice;
  EXPECT_FALSE(choice.sees_loss(counters(1000, 9)));
  EXPECT_FALSE(choice.sees_loss(counters(2000, 18)));
}

TEST(CongestionChoice, LooksAtWhatCameSinceTheLastTime) {
  CongestionChoice choice;
  EXPECT_FALSE(choice.sees_loss(counters(1'000'000, 0)));
  EXPECT_TRUE(choice.sees_loss(counters(1'000'200, 20)));
}

TEST(CongestionChoice, CountsAcrossTheEndOfTheCounters) {
  CongestionChoice choice;
  EXPECT_FALSE(choice.sees_loss(counters(0xFFFFFF00, 0xFFFFFF)));
  EXPECT_FALSE(choice.sees_loss(counters(0x00000100, 0x1000000))) << "one of 512";
  EXPECT_TRUE(choice.sees_loss(counters(0x00000300, 0x1000040)));
}

}  // namespace
}  // namespace imgrec::net
