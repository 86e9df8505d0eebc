#include "worker/graph/batch_cut.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::worker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// input -> 0 -> a -> 1 -> b, c; b -> 2 -> d; c, d -> 3 -> e -> 4 -> output
const std::vector<BufferLife> kInception{{8, 0, 0}, {8, 0, 1}, {8, 1, 2}, {8, 1, 3},
                                         {8, 2, 3}, {8, 3, 4}, {8, 4, 4}};

TEST(BatchCut, IsPossibleWhereOneBufferHoldsAllThatIsNeeded) {
  EXPECT_THAT(cut_points(kInception, 5), ElementsAre(CutPoint{1, 1}, CutPoint{4, 5}));
}

TEST(BatchCut, IsNotPossibleWhereTheInputIsNeededAgain) {
  std::vector<BufferLife> lives = kInception;
  lives[0].last_step = 3;
  EXPECT_THAT(cut_points(lives, 5), ElementsAre(CutPoint{4, 5}));
}

TEST(BatchCut, OfOneStepIsNone) {
  EXPECT_THAT(cut_points({{8, 0, 0}, {8, 0, 0}}, 1), IsEmpty());
  EXPECT_THAT(cut_points({}, 0), IsEmpty());
}

TEST(BatchCut, IsWhereItTakesTheLeastTime) {
  const std::vector<CutPoint> points{{1, 1}, {2, 2}, {3, 3}};
  // The first two steps are slower together, the last two faster.
  const auto best = best_cut(points, {4, 3, 2, 3}, {6, 4, 1, 2});
  ASSERT_TRUE(best);
  EXPECT_EQ(best->at, (CutPoint{2, 2}));
  EXPECT_DOUBLE_EQ(best->gain, 12.0 / 10.0);
}

TEST(BatchCut, SaysThatNothingIsGained) {
  const auto best = best_cut({{1, 1}}, {1, 1}, {2, 2});
  ASSERT_TRUE(best);
  EXPECT_DOUBLE_EQ(best->gain, 2.0 / 3.0);
  EXPECT_FALSE(best_cut({}, {1, 1}, {1, 1}));
}

}  // namespace
}  // namespace imgrec::worker
