#include "worker/core/batch_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::worker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(BatchSizes, UpToANumberAreItAndItsHalves) {
  EXPECT_THAT(BatchSizes::up_to(4).sizes(), ElementsAre(2, 4));
  EXPECT_THAT(BatchSizes::up_to(16).sizes(), ElementsAre(2, 4, 8, 16));
  EXPECT_THAT(BatchSizes::up_to(3).sizes(), ElementsAre(3));
  EXPECT_THAT(BatchSizes::up_to(6).sizes(), ElementsAre(3, 6));
}

TEST(BatchSizes, OfOneOrNoneAreOneByOne) {
  for (const unsigned n : {0u, 1u}) {
    EXPECT_THAT(BatchSizes::up_to(n).sizes(), IsEmpty());
    EXPECT_TRUE(BatchSizes::up_to(n).none());
    EXPECT_EQ(BatchSizes::up_to(n).largest(), 1u);
  }
  EXPECT_EQ(BatchSizes().filled_by(100), 1u);
}

TEST(BatchSizes, AreFilledByAsManyPicturesOrMore) {
  const BatchSizes sizes({2, 4, 12});
  const std::vector<unsigned> filled{1, 1, 2, 2, 4, 4};  // by 0, 1, …
  for (std::size_t n = 0; n < filled.size(); ++n) EXPECT_EQ(sizes.filled_by(n), filled[n]) << n;
  EXPECT_EQ(sizes.filled_by(11), 4u);
  EXPECT_EQ(sizes.filled_by(12), 12u);
  EXPECT_EQ(sizes.filled_by(100), 12u);
  EXPECT_EQ(sizes.largest(), 12u);
}

}  // namespace
}  // namespace imgrec::worker
