#include "net/lane_ledger.h"

#include <gtest/gtest.h>

namespace imgrec::net {
namespace {

using namespace std::chrono_literals;

class Ledger : public ::testing::Test {
 protected:
  void sent(std::size_t lane, std::uint64_t position, std::uint64_t end,
            std::chrono::milliseconds at = 0ms) {
    ledger_.handed(lane, position, bytes_, start_ + at);
    ledger_.written(lane, end);
  }
  // The position of what is to be repeated; nullopt: nothing.
  std::optional<std::uint64_t> repeat(std::size_t lane, std::chrono::milliseconds at) const {
    const auto piece = ledger_.to_repeat(lane, start_ + at);
    return piece.bytes ? std::optional(piece.position) : std::nullopt;
  }

  const LaneLedger::TimePoint start_ = LaneLedger::TimePoint(1h);
  const LaneLedger::Bytes bytes_ = std::make_shared<const std::string>("ten bytes.");
  LaneLedger ledger_{3, 20ms};
};

TEST_F(Ledger, RepeatsWhatIsLateOnAnotherLane) {
  sent(0, 0, 10);
  EXPECT_EQ(repeat(1, 19ms), std::nullopt);
  EXPECT_EQ(repeat(1, 20ms), 0u);
  EXPECT_EQ(repeat(0, 20ms), std::nullopt) << "the lane that is late itself";
  EXPECT_EQ(ledger_.to_repeat(1, start_ + 20ms).bytes, bytes_) << "shared, not copied";
}

TEST_F(Ledger, TakesTheFirstOfTheStreamFirst) {
  sent(0, 100, 10);
  sent(1, 50, 10);
  EXPECT_EQ(repeat(2, 30ms), 50u);
}

TEST_F(Ledger, WaitsAsLongForACopy) {
  sent(0, 0, 10);
  sent(1, 0, 10, 20ms);
  EXPECT_EQ(repeat(2, 39ms), std::nullopt);
  EXPECT_EQ(repeat(2, 40ms), 0u);
}

TEST_F(Ledger, SendsNoMoreThanSoManyCopies) {
  LaneLedger ledger(LaneLedger::kMostCopies + 1, 20ms);
  for (unsigned i = 0; i < LaneLedger::kMostCopies; ++i) {
    EXPECT_TRUE(i == 0 || ledger.to_repeat(i, start_ + 20ms * i).bytes);
    ledger.handed(i, 0, bytes_, start_ + 20ms * i);
  }
  EXPECT_FALSE(ledger.to_repeat(LaneLedger::kMostCopies, start_ + 1h).bytes);
}

TEST_F(Ledger, ForgetsAPieceWithTheFirstOfItsCopies) {
  sent(0, 0, 10);
  sent(1, 0, 10, 20ms);
  ledger_.acknowledged(1, 10);
  EXPECT_TRUE(ledger_.idle());
  EXPECT_EQ(repeat(2, 1h), std::nullopt);
  EXPECT_EQ(ledger_.bytes_on(0), 10u) << "where TCP goes on trying";
  ledger_.acknowledged(0, 10);
  EXPECT_EQ(ledger_.bytes_on(0), 0u);
}

TEST_F(Ledger, CountsACopyFromWhenItIsHandedOver) {
  sent(0, 0, 10);
  ledger_.handed(1, 0, bytes_, start_ + 20ms);
  EXPECT_EQ(repeat(2, 20ms), std::nullopt) << "though the other one is not written yet";
  ledger_.acknowledged(0, 10);
  ledger_.written(1, 10);
  EXPECT_TRUE(ledger_.idle()) << "nor does it come back with that";
}

TEST_F(Ledger, HasThePatienceThatTheWayNeeds) {
  sent(0, 0, 10);
  ledger_.set_patience(2s);
  EXPECT_EQ(repeat(1, 1'999ms), std::nullopt);
  EXPECT_EQ(repeat(1, 2s), 0u);
}

TEST_F(Ledger, CountsWhatALaneHasUnderWay) {
  sent(0, 0, 10);
  sent(0, 10, 20);
  ledger_.acknowledged(0, 19);
  EXPECT_EQ(ledger_.bytes_on(0), 10u) << "the second is not there as a whole";
  EXPECT_FALSE(ledger_.idle());
  EXPECT_EQ(repeat(1, 20ms), 10u);
}

}  // namespace
}  // namespace imgrec::net
