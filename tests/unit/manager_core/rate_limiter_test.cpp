#include "manager/core/rate_limiter.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

class RateLimiterTest : public ::testing::Test {
 protected:
  bool passes(RateLimiter& limiter, const std::string& client = "a") {
    return !limiter.refuse(client, now_);
  }
  RateLimiter::TimePoint now_{1000s};
};

TEST_F(RateLimiterTest, LetsABurstPassAndThenTheRate) {
  RateLimiter limiter(10, 3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(passes(limiter)) << i;
  EXPECT_FALSE(passes(limiter));
  now_ += 100ms;
  EXPECT_TRUE(passes(limiter));
  EXPECT_FALSE(passes(limiter));
  now_ += 10s;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(passes(limiter)) << "no more than the burst is saved";
  EXPECT_FALSE(passes(limiter));
}

TEST_F(RateLimiterTest, SaysWhenTheNextMayPass) {
  RateLimiter limiter(10, 1);
  EXPECT_TRUE(passes(limiter));
  now_ += 30ms;
  const auto wait = limiter.refuse("a", now_);
  ASSERT_TRUE(wait);
  EXPECT_EQ(*wait, 70ms);
  now_ += *wait;
  EXPECT_TRUE(passes(limiter));
}

TEST_F(RateLimiterTest, RefusedRequestsCostNothing) {
  RateLimiter limiter(10, 1);
  EXPECT_TRUE(passes(limiter));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(passes(limiter));
  now_ += 100ms;
  EXPECT_TRUE(passes(limiter));
}

TEST_F(RateLimiterTest, ClientsAreApart) {
  RateLimiter limiter(1, 1);
  EXPECT_TRUE(passes(limiter, "a"));
  EXPECT_TRUE(passes(limiter, "b"));
  EXPECT_FALSE(passes(limiter, "a"));
}

TEST_F(RateLimiterTest, NoRateIsNoLimit) {
  RateLimiter limiter(0, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(passes(limiter));
  EXPECT_EQ(limiter.clients(), 0u);
}

TEST_F(RateLimiterTest, RemembersABoundedNumberOfClients) {
  RateLimiter limiter(1, 1);
  for (std::size_t i = 0; i < RateLimiter::kMaxClients + 10; ++i) {
    EXPECT_TRUE(passes(limiter, std::to_string(i)));
    ASSERT_LE(limiter.clients(), RateLimiter::kMaxClients);
  }
  now_ += 2s;  // all of them may again
  for (std::size_t i = 0; i < RateLimiter::kMaxClients; ++i) {
    passes(limiter, "new " + std::to_string(i));
    ASSERT_LE(limiter.clients(), RateLimiter::kMaxClients);
  }
}

TEST(RateKey, IsAnAddressOrTheNetworkThatAClientHas) {
  EXPECT_EQ(rate_key("10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(rate_key("::ffff:10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(rate_key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(rate_key("2001:db8:1:2::9"), rate_key("2001:db8:1:2:ffff::1"));
  EXPECT_EQ(rate_key("2001:db8::1"), "2001:db8:0:0::/64");
  EXPECT_EQ(rate_key("::1"), "0:0:0:0::/64");
  EXPECT_NE(rate_key("2001:db8:1:2::1"), rate_key("2001:db8:1:3::1"));
}

}  // namespace
}  // namespace imgrec::manager
