#include "training/core/photos.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

namespace imgrec::training {
namespace {

Photos of_classes(const std::vector<std::size_t>& counts) {
  Photos photos;
  photos.size = 8;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    photos.classes.push_back(std::string(1, static_cast<char>('a' + c)));
    photos.labels.insert(photos.labels.end(), counts[c], static_cast<std::uint32_t>(c));
  }
  photos.pixels.resize(photos.count() * photos.bytes_each());
  return photos;
}

TEST(SplitPhotos, KeepsAPartOfEachClassApart) {
  const Photos photos = of_classes({100, 50, 2, 1});
  const Split split = split_photos(photos, 10, 7);
  std::vector<std::size_t> kept(4);
  for (const std::size_t i : split.held_out) ++kept[photos.labels[i]];
  EXPECT_EQ(kept, (std::vector<std::size_t>{10, 5, 1, 0}));
  std::set<std::size_t> all(split.held_out.begin(), split.held_out.end());
  all.insert(split.train.begin(), split.train.end());
  EXPECT_EQ(all.size(), photos.count());
  EXPECT_EQ(split.held_out.size() + split.train.size(), photos.count());
}

TEST(SplitPhotos, IsTheSameForTheSameSeedOnly) {
  const Photos photos = of_classes({100, 100});
  EXPECT_EQ(split_photos(photos, 10, 7).held_out, split_photos(photos, 10, 7).held_out);
  EXPECT_NE(split_photos(photos, 10, 7).held_out, split_photos(photos, 10, 8).held_out);
}

TEST(Normalise, IsChannelByChannel) {
  std::vector<std::uint8_t> rgb(std::size_t{3} * 64);
  for (std::size_t i = 0; i < 64; ++i) {
    rgb[3 * i] = 10;
    rgb[3 * i + 1] = 20;
    rgb[3 * i + 2] = static_cast<std::uint8_t>(i);
  }
  std::vector<float> out(rgb.size());
  normalise(rgb.data(), 8, {{10, 10, 0}, 0.5}, out.data());
  EXPECT_FLOAT_EQ(out[0], 0);
  EXPECT_FLOAT_EQ(out[64], 5);
  EXPECT_FLOAT_EQ(out[128 + 9], 4.5);
}

// A picture in which every pixel is another one, so that it shows where each went.
class AugmentTest : public ::testing::Test {
 protected:
  static constexpr unsigned kSize = 16;
  AugmentTest() : rgb_(std::size_t{3} * kSize * kSize), out_(rgb_.size()) {
    for (std::size_t i = 0; i < std::size_t{kSize} * kSize; ++i) {
      rgb_[3 * i] = static_cast<std::uint8_t>(1 + i % 16);
      rgb_[3 * i + 1] = static_cast<std::uint8_t>(1 + i / 16);
      rgb_[3 * i + 2] = 200;
    }
  }
  float at(std::size_t channel, std::size_t x, std::size_t y) const {
    return out_[channel * kSize * kSize + y * kSize + x];
  }
  std::vector<std::uint8_t> rgb_;
  std::vector<float> out_;
};

TEST_F(AugmentTest, ShiftsMirrorsAndBlanksWithinBounds) {
  Random random(3);
  const Normalisation plain{{0, 0, 0}, 1};
  constexpr int kLast = kSize - 1;
  std::set<int> shifts;
  for (int round = 0; round < 400; ++round) {
    const bool mirrored = round % 2 == 1;
    augment(rgb_.data(), kSize, plain, {mirrored, true}, random, out_.data());
    std::size_t shown = 0;
    std::set<int> dx, dy;
    for (int y = 0; y < int{kSize}; ++y) {
      for (int x = 0; x < int{kSize}; ++x) {
        const auto column = static_cast<std::size_t>(x);
        const auto row = static_cast<std::size_t>(y);
        if (at(2, column, row) == 0) {
          EXPECT_EQ(at(0, column, row), 0) << "what is blank is blank in every channel";
          continue;
        }
        ++shown;
        if (x == 0 || y == 0 || x == kLast || y == kLast) continue;  // it may come from outside
        dx.insert(static_cast<int>(at(0, column, row)) - 1 - (mirrored ? kLast - x : x));
        dy.insert(static_cast<int>(at(1, column, row)) - 1 - y);
      }
    }
    ASSERT_EQ(dx.size(), 1u) << "all columns move alike";
    ASSERT_EQ(dy.size(), 1u) << "all rows move alike";
    EXPECT_LE(std::abs(*dx.begin()), 1);
    EXPECT_LE(std::abs(*dy.begin()), 1);
    shifts.insert(3 * *dx.begin() + *dy.begin());
    EXPECT_GE(shown, 16u * 16 - 16);
    EXPECT_LE(shown, 16u * 16 - 4) << "a corner of the blank square is always inside";
  }
  EXPECT_EQ(shifts.size(), 9u);
}

TEST_F(AugmentTest, FillsWithTheReflectionOfWhatIsThere) {
  Random random(3);
  const Normalisation plain{{0, 0, 0}, 1};
  int filled = 0;
  for (int round = 0; round < 100; ++round) {
    augment(rgb_.data(), kSize, plain, {}, random, out_.data());
    EXPECT_TRUE(std::all_of(out_.begin(), out_.end(), [](float each) { return each > 0; }));
    if (at(0, 1, 0) != 1) continue;  // not moved to the right
    EXPECT_EQ(at(0, 0, 0), 2) << "column -1 is column 1";
    ++filled;
  }
  EXPECT_GT(filled, 10);
}

TEST_F(AugmentTest, ChangesTheLightWithinBoundsAndOfTheWholePictureAlike) {
  const Normalisation how{{100, 100, 100}, 1.0 / 50};
  Random random(3);
  double least = 10, most = -10;
  for (int round = 0; round < 400; ++round) {
    augment(rgb_.data(), kSize, how, {.light = 0.2}, random, out_.data());
    // The third channel is 200 everywhere, 2 as the network is told: 2 * (0.8 to 1.2), -0.2 to 0.2.
    const double shown = at(2, 0, 0);
    EXPECT_GE(shown, 2 * 0.8 - 0.2 - 1e-6);
    EXPECT_LE(shown, 2 * 1.2 + 0.2 + 1e-6);
    least = std::min(least, shown);
    most = std::max(most, shown);
    for (std::size_t i = 0; i < std::size_t{kSize} * kSize; ++i) {
      ASSERT_EQ(out_[2 * kSize * kSize + i], at(2, 0, 0)) << "one light for all of a picture";
    }
  }
  EXPECT_LT(least, 1.6);
  EXPECT_GT(most, 2.4);
}

TEST_F(AugmentTest, BlanksWhateverTheLight) {
  Random random(3);
  augment(rgb_.data(), kSize, {{0, 0, 0}, 1}, {.blanked = true, .light = 0.2}, random, out_.data());
  EXPECT_GE(std::count(out_.begin(), out_.end(), 0.0F), 3 * 4);
}

TEST(MirroredIn, IsEveryOtherEpochOfEachPicture) {
  int mirrored = 0;
  for (std::size_t picture = 0; picture < 1000; ++picture) {
    const bool first = mirrored_in(picture, 0, 7);
    mirrored += first ? 1 : 0;
    for (unsigned epoch = 1; epoch < 6; ++epoch) {
      EXPECT_EQ(mirrored_in(picture, epoch, 7), first != (epoch % 2 == 1)) << picture;
    }
  }
  EXPECT_GT(mirrored, 400);
  EXPECT_LT(mirrored, 600);
}

TEST_F(AugmentTest, IsTheSameForTheSameRandomNumbers) {
  Random a(5);
  Random b(5);
  std::vector<float> other(out_.size());
  for (int i = 0; i < 10; ++i) {
    augment(rgb_.data(), kSize, {}, {true, true}, a, out_.data());
    augment(rgb_.data(), kSize, {}, {true, true}, b, other.data());
    EXPECT_EQ(out_, other);
  }
}

TEST_F(AugmentTest, LeavesAPictureWholeWhereToldAndDrawsTheSameNumbers) {
  const Normalisation plain{{0, 0, 0}, 1};
  Random whole(3);
  Random blanked(3);
  std::vector<float> other(out_.size());
  for (int round = 0; round < 100; ++round) {
    augment(rgb_.data(), kSize, plain, {false, true}, blanked, other.data());
    augment(rgb_.data(), kSize, plain, {}, whole, out_.data());
    std::size_t shown = 0;
    for (std::size_t i = 0; i < out_.size(); ++i) {
      if (other[i] != 0) {
        ASSERT_EQ(out_[i], other[i]) << "shifted alike";
      }
      shown += i >= 2 * kSize * kSize && out_[i] != 0 ? 1 : 0;
    }
    EXPECT_EQ(shown, 16u * 16);
  }
  EXPECT_EQ(whole.next(), blanked.next());
}

TEST(Random, IsSplitMix64) {
  Random random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);  // as the reference implementation gives it
  EXPECT_EQ(random.next(), 3203168211198807973u);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(7), 7u);
}

}  // namespace
}  // namespace imgrec::training
