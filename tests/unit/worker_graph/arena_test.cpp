#include "worker/graph/arena.h"

#include <random>

#include <gtest/gtest.h>

namespace imgrec::worker {
namespace {

bool live_together(const BufferLife& a, const BufferLife& b) {
  return a.first_step <= b.last_step && b.first_step <= a.last_step;
}

TEST(Arena, GivesBuffersThatFollowOneAnotherTheSamePlace) {
  const ArenaPlan plan = plan_arena({{1000, 0, 1}, {500, 1, 2}, {1000, 2, 3}});
  EXPECT_EQ(plan.offsets[0], plan.offsets[2]);
  EXPECT_GE(plan.offsets[1], 1000U);
  EXPECT_EQ(plan.bytes, 1024U + 512U);
}

TEST(Arena, OfNothingIsEmpty) { EXPECT_EQ(plan_arena({}).bytes, 0U); }

TEST(Arena, NeverPutsTwoBuffersThatLiveTogetherOverEachOther) {
  std::mt19937 random(7);
  const auto below = [&](std::size_t limit) { return random() % limit; };
  for (int round = 0; round < 200; ++round) {
    std::vector<BufferLife> lives;
    std::size_t most = 0;
    for (std::size_t i = 0; i < 1 + below(40); ++i) {
      const std::size_t first = below(30);
      lives.push_back({below(5000), first, first + below(6)});
    }
    const ArenaPlan plan = plan_arena(lives);
    for (std::size_t a = 0; a < lives.size(); ++a) {
      EXPECT_EQ(plan.offsets[a] % kArenaAlignment, 0U);
      EXPECT_LE(plan.offsets[a] + lives[a].bytes, plan.bytes);
      most += lives[a].bytes + kArenaAlignment;
      for (std::size_t b = 0; b < a; ++b) {
        if (!live_together(lives[a], lives[b])) continue;
        const bool apart = plan.offsets[a] + lives[a].bytes <= plan.offsets[b] ||
                           plan.offsets[b] + lives[b].bytes <= plan.offsets[a];
        EXPECT_TRUE(apart) << "round " << round << ": buffers " << a << " and " << b;
      }
    }
    EXPECT_LE(plan.bytes, most);
  }
}

}  // namespace
}  // namespace imgrec::worker
