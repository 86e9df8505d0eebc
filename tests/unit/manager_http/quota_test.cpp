#include "manager/http/quota.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

TEST(ByteBudget, GivesNoMoreThanItHas) {
  ByteBudget budget(100);
  EXPECT_TRUE(budget.take(60));
  EXPECT_FALSE(budget.take(41));
  EXPECT_TRUE(budget.take(40));
  EXPECT_FALSE(budget.take(1));
  EXPECT_TRUE(budget.take(0));
  budget.give_back(60);
  EXPECT_TRUE(budget.take(60));
  EXPECT_FALSE(budget.take(static_cast<std::size_t>(-1)));
}

TEST(ByteBudget, CountsRightUnderManyThreads) {
  ByteBudget budget(1000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10'000; ++n) {
        if (budget.take(300)) budget.give_back(300);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(budget.used(), 0u);
}

TEST(AddressQuota, LimitsEachAddressAlone) {
  const auto quota = std::make_shared<AddressQuota>(2);
  Place first = quota->take("a");
  Place second = quota->take("a");
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(quota->take("a"));
  EXPECT_TRUE(quota->take("b")) << "and forgotten at once";
  const Place copy = first;
  first.reset();
  EXPECT_FALSE(quota->take("a")) << "somebody still holds it";
  second.reset();
  EXPECT_TRUE(quota->take("a"));
}

TEST(AddressQuota, ForgetsAddressesThatHaveLeft) {
  const auto quota = std::make_shared<AddressQuota>(1);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(quota->take(std::to_string(i)));
  EXPECT_EQ(quota->addresses(), 0u);
}

TEST(AddressQuota, ZeroIsNoLimit) {
  const auto quota = std::make_shared<AddressQuota>(0);
  std::vector<Place> places;
  for (int i = 0; i < 1000; ++i) places.push_back(quota->take("a"));
  EXPECT_TRUE(places.back());
}

}  // namespace
}  // namespace imgrec::manager
