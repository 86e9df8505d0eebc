#include "training/core/batches.h"

#include <vector>

#include <gmock/gmock.h>

namespace imgrec::training {
namespace {

using ::testing::ElementsAre;

std::vector<std::size_t> sizes(const Batches& batches) {
  std::vector<std::size_t> each;
  for (std::size_t step = 0; step < batches.steps(); ++step) {
    each.push_back(batches.begin(step + 1) - batches.begin(step));
  }
  return each;
}

TEST(Batches, LeaveNoHandfulForTheLastStep) {
  EXPECT_THAT(sizes({257, 256}), ElementsAre(128, 129));
  EXPECT_THAT(sizes({256, 256}), ElementsAre(256));
  EXPECT_THAT(sizes({512, 256}), ElementsAre(256, 256));
  EXPECT_THAT(sizes({10, 4}), ElementsAre(3, 3, 4));
  EXPECT_THAT(sizes({3, 256}), ElementsAre(3));
  EXPECT_EQ((Batches{48'000, 256}.steps()), 188u);
}

TEST(Batches, LeaveNoPictureAlone) {
  EXPECT_THAT(sizes({5, 2}), ElementsAre(2, 3));
  EXPECT_THAT(sizes({3, 2}), ElementsAre(3));
  EXPECT_THAT(sizes({1, 2}), ElementsAre(1)) << "where it is the only one";
  EXPECT_THAT(sizes({0, 2}), ElementsAre());
}

TEST(Batches, TakeEveryPictureOnceAndDifferByOneAtMost) {
  for (std::size_t most = 2; most <= 9; ++most) {
    for (std::size_t pictures = 2; pictures <= 100; ++pictures) {
      const Batches batches{pictures, most};
      std::size_t all = 0;
      for (const std::size_t size : sizes(batches)) {
        EXPECT_GE(size, pictures / batches.steps());
        EXPECT_LE(size, pictures / batches.steps() + 1);
        EXPECT_GE(size, 2u) << pictures << " by " << most;
        EXPECT_LE(size, most == 2 ? 3 : most) << pictures << " by " << most;
        all += size;
      }
      EXPECT_EQ(all, pictures);
    }
  }
}

}  // namespace
}  // namespace imgrec::training
