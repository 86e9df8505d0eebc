#include "training/torch/whitening.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace imgrec::training {
namespace {

// Neighbouring pixels are alike and the channels nearly equal, as in photos.
Photos smooth_pictures(std::size_t count) {
  Random random(7);
  Photos photos;
  photos.size = 8;
  photos.classes = {"one"};
  for (std::size_t i = 0; i < count; ++i) {
    int level = 128;
    for (int pixel = 0; pixel < 64; ++pixel) {
      level = std::clamp(level + static_cast<int>(random.below(31)) - 15, 40, 215);
      for (int c = 0; c < 3; ++c) {
        photos.pixels.push_back(
            static_cast<std::uint8_t>(level + static_cast<int>(random.below(20))));
      }
    }
    photos.labels.push_back(0);
  }
  return photos;
}

std::vector<std::size_t> all_of(const Photos& photos) {
  std::vector<std::size_t> members(photos.count());
  for (std::size_t i = 0; i < members.size(); ++i) members[i] = i;
  return members;
}

// filters x answers: what each filter makes of every patch.
torch::Tensor answers(const torch::Tensor& filters, const Photos& photos,
                      const Normalisation& how) {
  torch::Tensor pictures = torch::empty({static_cast<std::int64_t>(photos.count()), 3, 8, 8});
  for (std::size_t i = 0; i < photos.count(); ++i) {
    normalise(photos.picture(i), 8, how, pictures.data_ptr<float>() + i * photos.bytes_each());
  }
  return torch::conv2d(pictures, filters).transpose(0, 1).flatten(1);
}

TEST(Whitening, AnswersAreUncorrelatedAndOfUnitVariance) {
  const Photos photos = smooth_pictures(300);
  const Normalisation how;
  const torch::Tensor filters = whitening_filters(photos, all_of(photos), how, 12);
  ASSERT_EQ(filters.sizes(), (std::vector<std::int64_t>{12, 3, 3, 3}));
  const torch::Tensor each =
      answers(filters.index({torch::indexing::Slice(0, 12, 2)}), photos, how);
  const torch::Tensor products = each.matmul(each.t()) / each.size(1);
  EXPECT_TRUE(torch::allclose(products, torch::eye(6), 0, 0.15)) << products;
}

TEST(Whitening, FiltersComeInPairsOfOpposites) {
  const Photos photos = smooth_pictures(20);
  const torch::Tensor filters = whitening_filters(photos, all_of(photos), Normalisation{}, 60);
  EXPECT_TRUE(torch::equal(filters[0], -filters[1]));
  EXPECT_TRUE(torch::equal(filters[52], -filters[53]));
  EXPECT_TRUE(torch::equal(filters[54], filters[0]));  // 27 components, and again from the first
}

TEST(Whitening, PicturesOfOneColourGiveFiniteFilters) {
  Photos photos;
  photos.size = 8;
  photos.classes = {"grey"};
  photos.pixels.assign(3 * 64, 100);
  photos.labels = {0};
  const torch::Tensor filters = whitening_filters(photos, {0}, Normalisation{}, 8);
  EXPECT_TRUE(torch::isfinite(filters).all().item<bool>());
}

}  // namespace
}  // namespace imgrec::training
