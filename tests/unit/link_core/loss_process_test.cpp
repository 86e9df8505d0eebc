#include "link/core/loss_process.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/link_core/harness.h"

namespace imgrec::link {
namespace {

constexpr int kPackets = 400'000;

struct Losses {
  double share = 0;
  double mean_run = 0;  // of packets lost one after the other
};

Losses losses(std::string_view settings, std::uint64_t seed = 5) {
  LossProcess process(seed);
  process.set(settings_of(settings));
  double lost = 0, runs = 0;
  bool before = false;
  for (int i = 0; i < kPackets; ++i) {
    const bool now = process.next();
    lost += now;
    runs += now && !before;
    before = now;
  }
  return {lost / kPackets, runs == 0 ? 0 : lost / runs};
}

TEST(LossProcess, LosesNothingOrEverythingExactly) {
  EXPECT_EQ(losses("").share, 0);
  EXPECT_EQ(losses("loss=100%").share, 1);
}

TEST(LossProcess, SingleLossesAreIndependent) {
  const Losses result = losses("loss=15%");
  EXPECT_NEAR(result.share, 0.15, 0.003);  // standard error 0.0006
  EXPECT_NEAR(result.mean_run, 1 / 0.85, 0.01);
}

TEST(LossProcess, BurstsKeepTheMeanLossAndHaveTheirLength) {
  for (const double length : {2.0, 5.0, 20.0}) {
    const Losses result = losses("loss=10% burst=" + std::to_string(length));
    EXPECT_NEAR(result.share, 0.10, 0.01) << length;
    EXPECT_NEAR(result.mean_run, length, length * 0.05) << length;
  }
}

TEST(LossProcess, ABadTimeMayLetSomePacketsThrough) {
  const Losses result = losses("loss=10% burst=10 burst-loss=50%");
  EXPECT_NEAR(result.share, 0.10, 0.005);
  // Runs within a bad time end with the first packet that gets through: 1 / (1 - 0.5 * 0.9).
  EXPECT_NEAR(result.mean_run, 1 / 0.55, 0.05);
}

TEST(LossProcess, ASeedMeansTheSameLosses) {
  const auto sequence = [](std::uint64_t seed) {
    LossProcess process(seed);
    process.set(settings_of("loss=10% burst=3"));
    std::vector<bool> result;
    for (int i = 0; i < 1000; ++i) result.push_back(process.next());
    return result;
  };
  EXPECT_EQ(sequence(1), sequence(1));
  EXPECT_NE(sequence(1), sequence(2));
}

}  // namespace
}  // namespace imgrec::link
