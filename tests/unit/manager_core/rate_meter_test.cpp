#include "manager/core/rate_meter.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

class RateMeterTest : public ::testing::Test {
 protected:
  void given_images(int count, Duration at, std::uint64_t bytes = 125) {
    for (int i = 0; i < count; ++i) meter_.add(start_ + at, bytes);
  }
  TimePoint start_{1000s};
  RateMeter meter_{start_};
};

TEST_F(RateMeterTest, IsZeroBeforeAnythingHappened) {
  EXPECT_EQ(meter_.over(10s, start_ + 5s).images_per_s, 0);
  EXPECT_EQ(meter_.overall(start_).bits_per_s, 0);
}

TEST_F(RateMeterTest, DividesByTheElapsedTimeWhileYounger) {
  given_images(10, 1s);
  EXPECT_NEAR(meter_.over(10s, start_ + 2s).images_per_s, 5, 1e-9);
  EXPECT_NEAR(meter_.over(10s, start_ + 2s).bits_per_s, 5 * 1000, 1e-9);
}

TEST_F(RateMeterTest, ForgetsWhatIsOlderThanTheWindow) {
  given_images(100, 0s);
  given_images(20, 50s);
  EXPECT_NEAR(meter_.over(10s, start_ + 54s).images_per_s, 20 / 9.0, 0.3);
  EXPECT_EQ(meter_.over(10s, start_ + 75s).images_per_s, 0);
  EXPECT_NEAR(meter_.overall(start_ + 100s).images_per_s, 1.2, 1e-9);
}

TEST_F(RateMeterTest, ReusesBucketsAfterAMinute) {
  given_images(7, 3s);
  given_images(1, 3s + 61s);  // the same bucket, one lap later
  EXPECT_NEAR(meter_.over(1s, start_ + 65s - 1ms).images_per_s, 1, 0.01);
}

}  // namespace
}  // namespace imgrec::manager
