#include "manager/core/reputation.h"

#include <string>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

constexpr Reputation::TimePoint kNow{std::chrono::hours(1)};

WorkerHealth bad_once() {
  WorkerHealth health;
  (void)health.on_failure(kNow);
  return health;
}

TEST(Reputation, RemembersWhoLeftWithABadRecordAndHandsItOverOnce) {
  Reputation reputation;
  reputation.remember("w@host", bad_once(), kNow);
  EXPECT_TRUE(reputation.recall("other@host", kNow).spotless());
  EXPECT_FALSE(reputation.recall("w@host", kNow).spotless());
  EXPECT_TRUE(reputation.recall("w@host", kNow).spotless());
}

TEST(Reputation, ForgetsTheGoodTheNamelessAndThePast) {
  Reputation reputation;
  reputation.remember("good@host", WorkerHealth(), kNow);
  reputation.remember("", bad_once(), kNow);
  EXPECT_EQ(reputation.size(), 0u);
  reputation.remember("old@host", bad_once(), kNow);
  EXPECT_TRUE(reputation.recall("old@host", kNow + 11min).spotless());
}

TEST(Reputation, HoldsABoundedNumberAndForgetsTheOldest) {
  Reputation reputation;
  for (std::size_t i = 0; i <= Reputation::kMaxRemembered; ++i) {
    reputation.remember(std::to_string(i), bad_once(), kNow + std::chrono::milliseconds(i));
  }
  EXPECT_EQ(reputation.size(), Reputation::kMaxRemembered);
  EXPECT_TRUE(reputation.recall("0", kNow).spotless());
  EXPECT_FALSE(reputation.recall("1", kNow).spotless());
}

}  // namespace
}  // namespace imgrec::manager
