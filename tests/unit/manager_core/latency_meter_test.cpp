#include "manager/core/latency_meter.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

class LatencyMeterTest : public ::testing::Test {
 protected:
  void given_images(int count, microseconds total, Duration at, bool done = true) {
    ImageTiming timing;
    timing.total = total;
    timing.queue = total / 2;
    timing.inference = total / 4;
    for (int i = 0; i < count; ++i) meter_.add(timing, done, start_ + at);
  }
  static bool near(microseconds found, microseconds expected) {
    return found >= expected * 96 / 100 && found <= expected * 104 / 100;
  }

  TimePoint start_{1000s};
  LatencyMeter meter_{start_};
};

TEST_F(LatencyMeterTest, SaysNothingBeforeAnythingSettled) {
  const LatencySummary summary = meter_.over(60s, start_ + 5s);
  EXPECT_EQ(summary.count, 0u);
  EXPECT_FALSE(summary[Phase::kTotal]);
}

TEST_F(LatencyMeterTest, TellsPercentilesOfEachPhase) {
  given_images(90, 100ms, 1s);
  given_images(8, 400ms, 2s);
  given_images(2, 3s, 3s);
  const LatencySummary summary = meter_.over(60s, start_ + 4s);
  EXPECT_EQ(summary.count, 100u);
  EXPECT_PRED2(near, summary[Phase::kTotal]->p50, 100ms);
  EXPECT_PRED2(near, summary[Phase::kTotal]->p90, 100ms);
  EXPECT_PRED2(near, summary[Phase::kTotal]->p99, 3s);
  EXPECT_PRED2(near, summary[Phase::kQueue]->p50, 50ms);
  EXPECT_PRED2(near, summary[Phase::kInference]->p99, 750ms);
  EXPECT_EQ(summary[Phase::kUpload]->p99, 0us);
}

TEST_F(LatencyMeterTest, CountsFailedImagesInTheTotalAlone) {
  given_images(5, 100ms, 1s, /*done=*/false);
  const LatencySummary summary = meter_.over(60s, start_ + 1s);
  EXPECT_EQ(summary.count, 5u);
  EXPECT_TRUE(summary[Phase::kTotal]);
  EXPECT_FALSE(summary[Phase::kQueue]);
}

TEST_F(LatencyMeterTest, ForgetsWhatIsOlderThanTheWindow) {
  given_images(5, 100ms, 0s);
  EXPECT_TRUE(meter_.over(10s, Phase::kTotal, start_ + 9s));
  EXPECT_FALSE(meter_.over(10s, Phase::kTotal, start_ + 10s));
  EXPECT_EQ(meter_.over(60s, start_ + 59s).count, 5u);
  EXPECT_EQ(meter_.over(60s, start_ + 60s).count, 0u);
}

TEST_F(LatencyMeterTest, UsesItsSlotsAgainAfterAMinute) {
  given_images(5, 100ms, 3s);
  given_images(1, 900ms, 3s + 61s);  // the same slot, one lap later
  const LatencySummary summary = meter_.over(60s, start_ + 64s);
  EXPECT_EQ(summary.count, 1u);
  EXPECT_PRED2(near, summary[Phase::kTotal]->p50, 900ms);
}

TEST_F(LatencyMeterTest, SumsUpForEver) {
  given_images(5, 100ms, 3s);
  given_images(5, 300ms, 300s);
  EXPECT_EQ(meter_.sum(Phase::kTotal).count, 10u);
  EXPECT_EQ(meter_.sum(Phase::kTotal).time, 2s);
  EXPECT_EQ(meter_.sum(Phase::kQueue).time, 1s);
}

}  // namespace
}  // namespace imgrec::manager
