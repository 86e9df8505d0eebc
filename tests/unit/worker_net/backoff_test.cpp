#include "worker/net/backoff.h"

#include <chrono>

#include <gtest/gtest.h>

namespace imgrec::worker {
namespace {

using namespace std::chrono_literals;

class BackoffTest : public testing::Test {
 protected:
  Backoff make(BackoffOptions options = {}) {
    return Backoff(options, [this] { return random_; });
  }
  double random_ = 0.999999;
  Backoff::TimePoint now_{1h};
};

TEST_F(BackoffTest, DoublesItsCeilingUpToTheMaximum) {
  Backoff backoff = make();
  for (const auto ceiling :
       {100ms, 200ms, 400ms, 800ms, 1'600ms, 3'200ms, 6'400ms, 10'000ms, 10'000ms}) {
    const auto wait = backoff.next(now_);
    EXPECT_GE(wait, ceiling - 1ms);
    EXPECT_LE(wait, ceiling);
  }
}

TEST_F(BackoffTest, WaitsAnythingFromZeroToTheCeiling) {
  Backoff backoff = make();
  random_ = 0;
  EXPECT_EQ(backoff.next(now_), 0ms);
  random_ = 0.5;
  EXPECT_EQ(backoff.next(now_), 100ms);
}

TEST_F(BackoffTest, StartsAgainAfterAStableConnection) {
  Backoff backoff = make();
  for (int i = 0; i < 20; ++i) (void)backoff.next(now_);
  backoff.registered(now_);
  now_ += 10s;
  EXPECT_LE(backoff.next(now_), 100ms);
}

TEST_F(BackoffTest, GoesOnAfterAConnectionThatDidNotLast) {
  Backoff backoff = make();
  for (int i = 0; i < 20; ++i) (void)backoff.next(now_);
  backoff.registered(now_);
  now_ += 9'999ms;
  EXPECT_GT(backoff.next(now_), 9s);
  now_ += 1h;  // of failures; the old registration does not count for them
  EXPECT_GT(backoff.next(now_), 9s);
}

TEST_F(BackoffTest, KeepsToAMaximumBelowItsBase) {
  BackoffOptions options;
  options.base = 100ms;
  options.max = 20ms;
  Backoff backoff = make(options);
  EXPECT_LE(backoff.next(now_), 20ms);
  EXPECT_LE(backoff.next(now_), 20ms);
}

}  // namespace
}  // namespace imgrec::worker
