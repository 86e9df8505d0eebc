#include "manager/core/link_warmer.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

// A path and a TCP on it: each round trip delivers what was under way, and the window doubles until
// the path is full.
class LinkWarming : public ::testing::Test {
 protected:
  // Bytes that were sent, until it was done.
  std::uint64_t play(std::chrono::microseconds round_trip, std::uint64_t carries) {
    std::uint64_t window = 14'480;
    std::uint64_t sent = 0;
    while (!warmer_.done()) {
      for (std::uint64_t out = 0; out < window;) {
        const std::size_t portion = warmer_.next({round_trip, window}, now_);
        if (portion == 0) break;
        out += portion;
        sent += portion;
      }
      now_ += round_trip;
      window_ = window;
      window = std::min(2 * window, carries);
    }
    return sent;
  }

  LinkWarmer warmer_;
  LinkWarmer::TimePoint now_{1h};
  std::uint64_t window_ = 0;  // when it was done
};

TEST_F(LinkWarming, IsNotDoneOnAShortWay) {
  EXPECT_EQ(play(2ms, 1 << 20), 0u);
  EXPECT_TRUE(warmer_.done());
}

TEST_F(LinkWarming, IsNotDoneWhereNothingIsKnownOfTheWay) { EXPECT_EQ(play(0ms, 1 << 20), 0u); }

TEST_F(LinkWarming, GoesOnUntilAsMuchAsFortyPhotosASecondIsUnderWay) {
  EXPECT_LE(play(500ms, 64u << 20), 8'000'000u);
  EXPECT_GE(window_, 2'000'000u);
}

TEST_F(LinkWarming, KeepsNoMoreUnderWayThanAKernelKeeps) {
  EXPECT_LE(play(10s, 64u << 20), 16u << 20);
  EXPECT_GE(window_, 4u << 20);
}

TEST_F(LinkWarming, GivesUpOnAWayThatCarriesNoMore) {
  const auto began = now_;
  EXPECT_GT(play(1s, 200'000), 200'000u);
  EXPECT_LE(now_ - began, 11s);
}

TEST_F(LinkWarming, EndsOnceAndForAll) {
  play(100ms, 64u << 20);
  EXPECT_EQ(warmer_.next({100ms, 14'480}, now_), 0u);
}

}  // namespace
}  // namespace imgrec::manager
