#include "manager/core/latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

double exact(std::vector<std::int64_t> samples, double q) {
  std::sort(samples.begin(), samples.end());
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(samples.size())));
  return static_cast<double>(samples[std::max<std::size_t>(rank, 1) - 1]);
}

TEST(LatencyHistogram, KnowsNothingWithoutSamples) {
  EXPECT_FALSE(LatencyHistogram().percentile(0.5));
  EXPECT_EQ(LatencyHistogram().count(), 0u);
}

TEST(LatencyHistogram, IsExactForShortTimes) {
  LatencyHistogram histogram;
  for (int us = 1; us <= 20; ++us) histogram.add(microseconds(us));
  EXPECT_EQ(histogram.percentile(0.5), 10us);
  EXPECT_EQ(histogram.percentile(0.9), 18us);
  EXPECT_EQ(histogram.percentile(1.0), 20us);
  EXPECT_EQ(histogram.percentile(0.001), 1us);
}

TEST(LatencyHistogram, TakesTheNearestRankUpwards) {
  LatencyHistogram histogram;
  for (const int us : {1, 2, 3}) histogram.add(microseconds(us));
  EXPECT_EQ(histogram.percentile(0.5), 2us);
  EXPECT_EQ(histogram.percentile(0.34), 2us);
  EXPECT_EQ(histogram.percentile(0.33), 1us);
}

// Of every time from a microsecond to an hour, in steps of one per cent.
TEST(LatencyHistogram, IsWrongByThreePerCentAtMost) {
  for (double us = 1; us < 3.6e9; us = std::max(us + 1, us * 1.01)) {
    LatencyHistogram histogram;
    const auto time = static_cast<std::int64_t>(us);
    histogram.add(microseconds(time));
    const auto found = static_cast<double>(histogram.percentile(0.5)->count());
    EXPECT_NEAR(found, static_cast<double>(time), 0.0325 * us) << time;
  }
}

TEST(LatencyHistogram, AgreesWithExactPercentilesOfManyKindsOfSamples) {
  std::mt19937 random(4);
  std::lognormal_distribution<double> usual(11, 1);  // about 60 ms, with a long tail
  std::uniform_real_distribution<double> even(1, 1e6);
  for (int kind = 0; kind < 3; ++kind) {
    LatencyHistogram histogram;
    std::vector<std::int64_t> samples;
    for (int i = 0; i < 5000; ++i) {
      const double us = kind == 0 ? usual(random) : kind == 1 ? even(random) : i % 2 ? 40e3 : 9e6;
      samples.push_back(static_cast<std::int64_t>(us));
      histogram.add(microseconds(samples.back()));
    }
    for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const double truth = exact(samples, q);
      EXPECT_NEAR(static_cast<double>(histogram.percentile(q)->count()), truth, 0.0325 * truth)
          << kind << ' ' << q;
    }
  }
}

TEST(LatencyHistogram, TakesTimesThatMakeNoSense) {
  LatencyHistogram histogram;
  histogram.add(-5us);
  histogram.add(microseconds::max());
  EXPECT_EQ(histogram.percentile(0.5), 0us);
  EXPECT_GT(*histogram.percentile(1), 1h);
}

TEST(LatencyHistogram, MergesAsIfAllHadBeenAddedToOne) {
  LatencyHistogram one, other, both;
  for (int i = 1; i < 1000; ++i) {
    const microseconds time(i * i);
    (i % 3 == 0 ? one : other).add(time);
    both.add(time);
  }
  one.merge(other);
  one.merge(LatencyHistogram());
  EXPECT_EQ(one.count(), both.count());
  for (const double q : {0.1, 0.5, 0.9, 0.99}) EXPECT_EQ(one.percentile(q), both.percentile(q));
}

}  // namespace
}  // namespace imgrec::manager
