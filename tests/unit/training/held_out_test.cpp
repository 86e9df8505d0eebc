#include "training/core/held_out.h"

#include <gmock/gmock.h>

namespace imgrec::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Photos of_classes(const std::vector<std::size_t>& counts) {
  Photos photos;
  photos.size = 8;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    photos.classes.push_back("c" + std::to_string(c));
    photos.labels.insert(photos.labels.end(), counts[c], static_cast<std::uint32_t>(c));
  }
  return photos;
}

TEST(HeldOut, NothingOfClassesOfOnePictureEach) {
  EXPECT_THAT(why_nothing_can_be_said(split_photos(of_classes({1, 1}), 10, 1)),
              HasSubstr("no class has two pictures"));
  EXPECT_EQ(why_nothing_can_be_said(split_photos(of_classes({2, 1}), 10, 1)), "");
}

TEST(HeldOut, IsDoubtedWhereItIsLittle) {
  const auto doubts = [](const std::vector<std::size_t>& counts) {
    const Photos photos = of_classes(counts);
    return doubts_about(photos, split_photos(photos, 10, 1));
  };
  EXPECT_THAT(doubts({500, 500}), IsEmpty());
  EXPECT_THAT(doubts({490, 500}), ElementsAre(HasSubstr("fewer than 100 held-out")));
  EXPECT_THAT(doubts({1000, 1, 10, 1}), ElementsAre(HasSubstr("with one picture: c1, c3")));
  std::vector<std::size_t> many(13, 1);
  many[0] = 2000;
  EXPECT_THAT(doubts(many), ElementsAre(HasSubstr("c9, c10 and 2 more")));
}

}  // namespace
}  // namespace imgrec::training
