#include "training/core/provenance.h"

#include <gmock/gmock.h>

namespace imgrec::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const Provenance kOurs{.classes = {"cat", "frog"},
                       .digest = "ab12",
                       .pictures = 120,
                       .size = 32,
                       .width = 100,
                       .batch = 256,
                       .rate = 0.375,
                       .seed = 1};

TEST(Provenance, IsTheSameWhereNothingDiffers) {
  EXPECT_EQ(why_not_go_on(kOurs, kOurs), "");
  EXPECT_EQ(why_not_together(kOurs, kOurs), "");
}

TEST(Provenance, OfOtherClassesOrOfTheSameInAnotherOrder) {
  Provenance swapped = kOurs;
  swapped.classes = {"frog", "cat"};
  const char* const why = "was trained on other classes: frog, cat; this training has cat, frog";
  EXPECT_EQ(why_not_go_on(swapped, kOurs), why);
  EXPECT_EQ(why_not_together(swapped, kOurs), why);
  swapped.classes.assign(30, "x");
  EXPECT_THAT(why_not_go_on(swapped, kOurs), HasSubstr("x, x and 10 more; this"));
}

TEST(Provenance, OfOtherPictures) {
  Provenance more = kOurs;
  more.pictures = 121;
  EXPECT_EQ(
      why_not_together(more, kOurs),
      "is of a training with 121 pictures of 32 pixels; this one has 120 pictures of 32 pixels");
  Provenance others = kOurs;
  others.digest = "cd34";
  EXPECT_EQ(why_not_together(others, kOurs), "was trained on other pictures, or held others out");
  EXPECT_EQ(why_not_go_on(others, kOurs), why_not_together(others, kOurs));
}

TEST(Provenance, OfOtherSettingsMayBeAskedTogetherOnly) {
  Provenance other = kOurs;
  other.rate = 0.1;
  EXPECT_THAT(why_not_go_on(other, kOurs),
              AllOf(HasSubstr("width 100, batches of 256, rate 0.1, seed 1; this one has"),
                    HasSubstr("rate 0.375")));
  EXPECT_EQ(why_not_together(other, kOurs), "");
  for (unsigned Provenance::*each : {&Provenance::width, &Provenance::batch}) {
    other = kOurs;
    ++(other.*each);
    EXPECT_NE(why_not_go_on(other, kOurs), "");
  }
  other = kOurs;
  other.seed = 2;
  EXPECT_THAT(why_not_go_on(other, kOurs), HasSubstr("seed 2;"));
  EXPECT_EQ(why_not_together(other, kOurs), "");
}

}  // namespace
}  // namespace imgrec::training
