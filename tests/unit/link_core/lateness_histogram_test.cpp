#include "link/core/lateness_histogram.h"

#include <gtest/gtest.h>

namespace imgrec::link {
namespace {

TEST(LatenessHistogram, IsEmptyAtFirst) {
  const LatenessHistogram histogram;
  EXPECT_EQ(histogram.percentile(0.5), Duration(0));
  EXPECT_EQ(histogram.max(), Duration(0));
}

TEST(LatenessHistogram, PercentilesAreWithinFourPercent) {
  LatenessHistogram histogram;
  for (int us = 1; us <= 10'000; ++us) histogram.add(std::chrono::microseconds(us));
  EXPECT_EQ(histogram.count(), 10'000u);
  for (const double q : {0.01, 0.1, 0.5, 0.9, 0.99, 1.0}) {
    const auto expected = q * 1e7;
    EXPECT_NEAR(static_cast<double>(histogram.percentile(q).count()), expected, expected * 0.04)
        << q;
  }
  EXPECT_EQ(histogram.max(), std::chrono::milliseconds(10));
}

TEST(LatenessHistogram, EachTimeIsNearItsBucketAndNeverAboveTheLargest) {
  for (std::int64_t ns = 0; ns < (std::int64_t{1} << 41); ns = ns * 5 / 4 + 1) {
    LatenessHistogram histogram;
    histogram.add(Duration(ns));
    const auto found = histogram.percentile(1).count();
    EXPECT_LE(found, ns);
    EXPECT_GE(static_cast<double>(found), static_cast<double>(ns) * 0.94 - 1);
  }
}

TEST(LatenessHistogram, TakesWhatIsOutOfItsRange) {
  LatenessHistogram histogram;
  histogram.add(Duration(-5));
  EXPECT_EQ(histogram.percentile(1), Duration(0));
  histogram.add(std::chrono::hours(1000));
  EXPECT_GT(histogram.percentile(1), std::chrono::minutes(60));
  EXPECT_EQ(histogram.max(), std::chrono::hours(1000));
}

}  // namespace
}  // namespace imgrec::link
