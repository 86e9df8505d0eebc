#include "manager/core/cluster_monitor.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

class ClusterMonitorTest : public ::testing::Test {
 protected:
  void settled(Duration total, Duration at, ImageState state = ImageState::kDone) {
    ImageRecord image;
    image.state = state;
    image.timing.total = std::chrono::duration_cast<std::chrono::microseconds>(total);
    monitor_.on_settled(image, start_ + at);
  }
  TimePoint start_{1000s};
  ClusterMonitor monitor_{start_};
};

TEST_F(ClusterMonitorTest, SamplesWithTheLatencyOfTheLastTenSeconds) {
  settled(100ms, 500ms);
  settled(100ms, 600ms, ImageState::kFailed);
  EXPECT_TRUE(monitor_.on_second({.images = 1, .bytes = 10}, start_ + 1s));
  EXPECT_TRUE(monitor_.on_second({.images = 1, .bytes = 10}, start_ + 11s));
  const auto samples = monitor_.history().last(600);
  ASSERT_EQ(samples.size(), 2u);
  ASSERT_TRUE(samples[0].total);
  EXPECT_NEAR(static_cast<double>(samples[0].total->p99.count()), 100e3, 4e3);
  EXPECT_FALSE(samples[1].total) << "nothing settled for ten seconds";
}

TEST_F(ClusterMonitorTest, KeepsTheLastMinutesLatencyUntilTheNextSecond) {
  settled(100ms, 500ms);
  EXPECT_EQ(monitor_.latency().count, 0u);
  EXPECT_TRUE(monitor_.on_second({}, start_ + 1s));
  EXPECT_EQ(monitor_.latency().count, 1u);
  settled(100ms, 1100ms);
  EXPECT_FALSE(monitor_.on_second({}, start_ + 1900ms)) << "the same second";
  EXPECT_EQ(monitor_.latency().count, 1u);
  EXPECT_TRUE(monitor_.on_second({}, start_ + 62s));
  EXPECT_EQ(monitor_.latency().count, 0u);
}

TEST_F(ClusterMonitorTest, WantsToBeCalledAsEachSecondBegins) {
  EXPECT_EQ(monitor_.next_second(start_), start_ + 1s);
  EXPECT_EQ(monitor_.next_second(start_ + 1s), start_ + 2s);
  EXPECT_EQ(monitor_.next_second(start_ + 4500ms), start_ + 5s) << "late once, not for ever";
  EXPECT_EQ(monitor_.uptime(start_ + 4500ms), 4s);
}

}  // namespace
}  // namespace imgrec::manager
