#include "manager/core/hedge_budget.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

unsigned spend_all(HedgeBudget& budget) {
  unsigned spent = 0;
  for (; budget.allows_one(); ++spent) budget.spend_one();
  return spent;
}

TEST(HedgeBudget, HasTwoAtFirst) {
  HedgeBudget budget(5);
  EXPECT_EQ(spend_all(budget), 2u);
}

TEST(HedgeBudget, AllowsItsShareOfTheWorkAndNoMore) {
  HedgeBudget budget(5);
  spend_all(budget);
  unsigned spent = 0;
  for (int i = 0; i < 1000; ++i) {
    budget.on_assignment();
    spent += spend_all(budget);
  }
  EXPECT_EQ(spent, 50u);
}

TEST(HedgeBudget, SavesUpToABound) {
  HedgeBudget budget(5, 4);
  for (int i = 0; i < 100'000; ++i) budget.on_assignment();
  EXPECT_EQ(spend_all(budget), 4u);
}

TEST(HedgeBudget, ZeroPerCentIsNone) {
  HedgeBudget budget(0);
  for (int i = 0; i < 100'000; ++i) budget.on_assignment();
  EXPECT_FALSE(budget.allows_one());
}

}  // namespace
}  // namespace imgrec::manager
