#include "manager/core/retention.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{1'000s};
const WallTime kNow{std::chrono::hours(500'000)};

TEST(Retention, IsOffUnlessAskedFor) {
  const Retention retention({});
  EXPECT_FALSE(retention.enabled());
  EXPECT_FALSE(retention.due(kStart, 1ull << 60));
  EXPECT_EQ(retention.next_look(), std::nullopt);
  EXPECT_FALSE(retention.expired(WallTime{}, kNow, 1ull << 60));
}

TEST(Retention, ExpiresByAge) {
  const Retention retention({24h, 0});
  EXPECT_FALSE(retention.expired(kNow - 24h + 1ms, kNow, 1ull << 60));
  EXPECT_TRUE(retention.expired(kNow - 24h, kNow, 0));
  EXPECT_FALSE(retention.expired(kNow + 24h, kNow, 0)) << "the clock was set back";
}

TEST(Retention, ExpiresByBytesOnlyWhileThereAreTooMany) {
  const Retention retention({0ms, 100});
  EXPECT_FALSE(retention.expired(WallTime{}, kNow, 100));
  EXPECT_TRUE(retention.expired(kNow, kNow, 101));
}

TEST(Retention, LooksAtOnceAndThenAHundredthOfTheAgeLater) {
  Retention retention({1h, 0});
  EXPECT_TRUE(retention.due(kStart, 0));
  retention.looked(kStart, 3, 0);
  EXPECT_EQ(retention.next_look(), kStart + 36s);
  EXPECT_FALSE(retention.due(kStart + 35s, 1ull << 60));
  EXPECT_TRUE(retention.due(kStart + 36s, 0));
}

TEST(Retention, LooksAtLeastOnceAMinuteAndAtMostTenTimesASecond) {
  Retention old({24h * 365, 0});
  old.looked(kStart, 0, 0);
  EXPECT_EQ(old.next_look(), kStart + 60s);
  Retention young({1ms, 0});
  young.looked(kStart, 0, 0);
  EXPECT_EQ(young.next_look(), kStart + 100ms);
}

TEST(Retention, GoesOnWhereABatchWasFull) {
  Retention retention({1h, 0});
  retention.looked(kStart, Retention::kBatch, 0);
  EXPECT_TRUE(retention.due(kStart, 0));
}

TEST(Retention, LooksAsSoonAsThereIsTooMuch) {
  Retention retention({0ms, 100});
  retention.looked(kStart, 0, 100);
  EXPECT_FALSE(retention.due(kStart, 100));
  EXPECT_TRUE(retention.due(kStart, 101));
}

TEST(Retention, WaitsASecondWhereAllThatIsTooMuchIsOpen) {
  Retention retention({0ms, 100});
  retention.looked(kStart, 0, 200);
  EXPECT_FALSE(retention.due(kStart + 999ms, 200));
  EXPECT_TRUE(retention.due(kStart + 1s, 200));
  EXPECT_EQ(retention.next_look(), kStart + 1s);
}

TEST(Retention, WaitsLongerAfterAFailure) {
  Retention retention({1ms, 100});
  retention.looked(kStart, std::nullopt, 200);
  EXPECT_FALSE(retention.due(kStart + 9s, 200));
  EXPECT_TRUE(retention.due(kStart + 10s, 200));
}

}  // namespace
}  // namespace imgrec::manager
