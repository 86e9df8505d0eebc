#include "manager/core/service_time.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr SchedulerOptions kOptions{};  // 20 s before measured, 2 s to 120 s, factor 6

TEST(ServiceTime, GivesTheInitialTimeoutUntilMeasured) {
  ServiceTime service;
  EXPECT_FALSE(service.measured());
  EXPECT_EQ(service.timeout({.in_front = 0, .streams = 1}, kOptions), 20s);
  EXPECT_EQ(service.timeout({.in_front = 7, .streams = 1}, kOptions), 20s);
}

TEST(ServiceTime, CountsWhatIsInFront) {
  ServiceTime service;
  for (int i = 0; i < 200; ++i) service.add(1s);
  EXPECT_EQ(service.timeout({.in_front = 0, .streams = 1}, kOptions), 6s);
  EXPECT_EQ(service.timeout({.in_front = 3, .streams = 1}, kOptions), 24s);
  EXPECT_EQ(service.timeout({.in_front = 3, .streams = 2}, kOptions),
            12s);  // two at a time: one wave in front
}

TEST(ServiceTime, WaitsLongerForAnUnsteadyWorker) {
  ServiceTime steady;
  ServiceTime unsteady;
  for (int i = 0; i < 200; ++i) {
    steady.add(1s);
    unsteady.add(i % 2 == 0 ? 100ms : 1900ms);
  }
  EXPECT_GT(unsteady.timeout({.in_front = 0, .streams = 1}, kOptions),
            steady.timeout({.in_front = 0, .streams = 1}, kOptions) + 3s);
}

TEST(ServiceTime, StaysWithinItsLimits) {
  ServiceTime fast;
  fast.add(1ms);
  EXPECT_EQ(fast.timeout({.in_front = 0, .streams = 1}, kOptions), 2s);
  ServiceTime slow;
  slow.add(90s);
  EXPECT_EQ(slow.timeout({.in_front = 5, .streams = 1}, kOptions), 120s);
}

TEST(ServiceTime, DoublesWithEachTimeoutUntilMeasuredAgain) {
  ServiceTime service;
  for (int i = 0; i < 200; ++i) service.add(1s);
  service.on_timeout();
  EXPECT_EQ(service.timeout({.in_front = 0, .streams = 1}, kOptions), 12s);
  service.on_timeout();
  EXPECT_EQ(service.timeout({.in_front = 0, .streams = 1}, kOptions), 24s);
  for (int i = 0; i < 1000; ++i) service.on_timeout();
  EXPECT_EQ(service.timeout({.in_front = 0, .streams = 1}, kOptions), 120s);
  service.add(1s);
  EXPECT_EQ(service.timeout({.in_front = 0, .streams = 1}, kOptions), 6s);
}

TEST(ServiceTime, FollowsAWorkerThatGetsSlower) {
  ServiceTime service;
  for (int i = 0; i < 50; ++i) service.add(10ms);
  for (int i = 0; i < 50; ++i) service.add(500ms);
  EXPECT_NEAR(static_cast<double>(service.mean_us()), 500'000, 10'000);
}

TEST(ServiceTime, TakesASampleOfZeroAsMeasured) {
  ServiceTime service;
  service.add(0ms);
  EXPECT_TRUE(service.measured());
}

}  // namespace
}  // namespace imgrec::manager
