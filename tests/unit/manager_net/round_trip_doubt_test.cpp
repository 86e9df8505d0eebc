#include "manager/net/round_trip_doubt.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

TEST(RoundTripDoubt, BelievesWhatTcpBearsOut) {
  RoundTripDoubt doubt;
  EXPECT_TRUE(doubt.believes(2ms, 2ms));
  EXPECT_TRUE(doubt.believes(9ms, 2ms)) << "the worker was busy";
  EXPECT_TRUE(doubt.believes(1s, {})) << "TCP does not say";
}

TEST(RoundTripDoubt, AsksAgainWhereAPingWasLost) {
  RoundTripDoubt doubt;
  EXPECT_FALSE(doubt.believes(130ms, 2ms));
  EXPECT_TRUE(doubt.believes(2ms, 2ms));
  EXPECT_FALSE(doubt.believes(130ms, 2ms)) << "each time anew";
}

TEST(RoundTripDoubt, BelievesInTheEnd) {
  RoundTripDoubt doubt;
  for (unsigned i = 0; i < RoundTripDoubt::kMost; ++i) EXPECT_FALSE(doubt.believes(90ms, 100us));
  for (unsigned i = 0; i < 5; ++i) EXPECT_TRUE(doubt.believes(90ms, 100us)) << "there is a proxy";
}

}  // namespace
}  // namespace imgrec::manager
