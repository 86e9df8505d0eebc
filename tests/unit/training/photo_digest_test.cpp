#include "training/data/photo_digest.h"

#include <gtest/gtest.h>

namespace imgrec::training {
namespace {

Photos four() {
  Photos photos;
  photos.size = 8;
  photos.classes = {"a", "b"};
  photos.labels = {0, 0, 1, 1};
  photos.pixels.resize(4 * photos.bytes_each(), 7);
  return photos;
}

TEST(PhotoDigest, IsOfPixelsLabelsAndWhatIsHeldOut) {
  const Split split{{0, 2}, {1, 3}};
  const std::string digest = *digest_of(four(), split);
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_EQ(*digest_of(four(), split), digest);
  Photos other = four();
  other.pixels.back() = 8;
  EXPECT_NE(*digest_of(other, split), digest);
  other = four();
  other.labels = {0, 1, 0, 1};
  EXPECT_NE(*digest_of(other, split), digest);
  EXPECT_NE(*digest_of(four(), {{0, 3}, {1, 2}}), digest);
}

}  // namespace
}  // namespace imgrec::training
