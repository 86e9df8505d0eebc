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

TEST(BatchCut, SaysHowLongAPictureTakes) {
  EXPECT_DOUBLE_EQ(best_cut({{1, 1}}, {1, 4}, {9, 2})->seconds, 3);
}

// ---- whether a batch is worth having ----------------------------------------------------------

BatchCut measured(double gain, double seconds) { return {{}, gain, seconds}; }

TEST(BatchCut, IsWorthHavingWhereItGains) {
  EXPECT_EQ(why_no_batch(2, measured(1.03, 0.02), 0), "");
  EXPECT_EQ(why_no_batch(2, measured(1.01, 0.02), 0),
            "2 are measured at 1.01 times the images of one by one");
  EXPECT_NE(why_no_batch(2, measured(0.7, 0.02), 0), "");
}

TEST(BatchCut, OfMoreNeedOnlyBeAsGoodAsOneOfFewer) {
  EXPECT_EQ(why_no_batch(4, measured(1.09, 0.02), 1.1), "");
  EXPECT_EQ(why_no_batch(4, measured(1.05, 0.02), 1.1),
            "4 are measured at 1.05 times the images of one by one");
  EXPECT_NE(why_no_batch(4, measured(1.01, 0.02), 1.02), "") << "but must gain by itself";
}

TEST(BatchCut, IsNotWorthHavingWhereOthersWaitLong) {
  EXPECT_EQ(why_no_batch(2, measured(1.2, 0.1), 0), "");
  EXPECT_EQ(why_no_batch(4, measured(1.2, 0.1), 1.2), "4 would take 0.40 s, more than 0.25");
  EXPECT_NE(why_no_batch(2, measured(1.2, 0.2), 0), "");
}

}  // namespace
}  // namespace imgrec::worker
