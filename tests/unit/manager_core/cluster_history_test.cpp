#include "manager/core/cluster_history.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

ClusterSample sample_of(std::int64_t second) {
  ClusterSample sample;
  sample.second = second;
  return sample;
}

TEST(ClusterHistory, IsEmptyAtFirst) {
  EXPECT_FALSE(ClusterHistory().newest());
  EXPECT_TRUE(ClusterHistory().last(600).empty());
}

TEST(ClusterHistory, GivesTheLastSecondsOldestFirst) {
  ClusterHistory history;
  for (int second = 1; second <= 10; ++second) history.add(sample_of(second));
  const auto samples = history.last(3);
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples.front().second, 8);
  EXPECT_EQ(samples.back().second, 10);
  EXPECT_EQ(history.last(600).size(), 10u);
}

TEST(ClusterHistory, CountsSecondsAndNotSamplesWhereSomeAreMissing) {
  ClusterHistory history;
  for (const int second : {1, 2, 30, 31}) history.add(sample_of(second));
  EXPECT_EQ(history.last(5).size(), 2u);
  EXPECT_EQ(history.newest()->second, 31);
}

TEST(ClusterHistory, KeepsTenMinutesAndNoMore) {
  ClusterHistory history;
  for (int second = 1; second <= 1500; ++second) history.add(sample_of(second));
  const auto samples = history.last(100'000);
  ASSERT_EQ(samples.size(), ClusterHistory::kSamples);
  EXPECT_EQ(samples.front().second, 901);
  EXPECT_EQ(samples.back().second, 1500);
}

class ClusterSamplerTest : public ::testing::Test {
 protected:
  std::optional<ClusterSample> sample(std::uint64_t images, Duration at) {
    return sampler_.sample({.images = images,
                            .bytes = images * 1000,
                            .wire_bytes_out = images * 1100,
                            .wire_bytes_in = images * 50,
                            .queue_depth = 7,
                            .in_flight = 2,
                            .workers = 3,
                            .total = std::nullopt},
                           start_ + at);
  }
  TimePoint start_{1000s};
  ClusterSampler sampler_{start_};
};

TEST_F(ClusterSamplerTest, TurnsTotalsIntoRates) {
  const auto first = sample(10, 1s);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->second, 1);
  EXPECT_DOUBLE_EQ(first->images_per_s, 10);
  EXPECT_DOUBLE_EQ(first->bits_per_s, 80'000);
  EXPECT_DOUBLE_EQ(first->wire_out_bits_per_s, 88'000);
  EXPECT_DOUBLE_EQ(first->wire_in_bits_per_s, 4'000);
  EXPECT_EQ(first->queue_depth, 7u);
  EXPECT_EQ(first->in_flight, 2u);
  EXPECT_EQ(first->workers, 3u);
  EXPECT_DOUBLE_EQ(sample(10, 2s)->images_per_s, 0);
  EXPECT_DOUBLE_EQ(sample(20, 3s)->wire_out_bits_per_s, 88'000);
}

TEST_F(ClusterSamplerTest, DividesByTheTimeThatHasPassed) {
  sample(0, 1s);
  const auto late = sample(30, 4s);
  EXPECT_DOUBLE_EQ(late->images_per_s, 10);
  EXPECT_EQ(late->second, 4);
}

TEST_F(ClusterSamplerTest, TakesOneSampleASecondAtMostAndLosesNoImage) {
  EXPECT_FALSE(sample(5, 900ms));
  EXPECT_DOUBLE_EQ(sample(10, 1s)->images_per_s, 10);
  EXPECT_FALSE(sample(20, 1900ms));
  EXPECT_DOUBLE_EQ(sample(20, 2s)->images_per_s, 10);
}

}  // namespace
}  // namespace imgrec::manager
