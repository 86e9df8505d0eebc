#include "training/core/schedule.h"

#include <gtest/gtest.h>

namespace imgrec::training {
namespace {

TEST(Schedule, RisesThenFallsAlongACosine) {
  const Schedule schedule{.peak = 0.4, .steps = 110, .warm_up = 10};
  for (std::uint64_t step = 1; step <= 10; ++step) {
    EXPECT_GT(schedule.rate(step), schedule.rate(step - 1)) << step;
  }
  EXPECT_DOUBLE_EQ(schedule.rate(0), 0.08) << "a fifth of the peak";
  EXPECT_DOUBLE_EQ(schedule.rate(10), 0.4);
  EXPECT_DOUBLE_EQ(schedule.rate(60), 0.2) << "half way down";
  for (std::uint64_t step = 11; step < 110; ++step) {
    EXPECT_LT(schedule.rate(step), schedule.rate(step - 1)) << step;
    EXPECT_GT(schedule.rate(step), 0);
  }
  EXPECT_LT(schedule.rate(109), 0.001);
}

TEST(Schedule, ManagesWithoutARise) {
  const Schedule schedule{.peak = 1, .steps = 4, .warm_up = 0};
  EXPECT_DOUBLE_EQ(schedule.rate(0), 1);
}

}  // namespace
}  // namespace imgrec::training
