#include "worker/core/fair_turns.h"

#include <string>

#include <gtest/gtest.h>

namespace imgrec::worker {
namespace {

using namespace std::chrono_literals;

class FairTurnsTest : public testing::Test {
 protected:
  // One whole turn: whose it was.
  std::string turn(const std::set<std::string>& waiting, std::chrono::microseconds took = 10ms) {
    const std::string chosen = turns_.choose(waiting);
    const auto charged = turns_.begins(chosen);
    turns_.ends(chosen, charged, took);
    turns_.learn(took);
    return chosen;
  }

  FairTurns turns_;
};

TEST_F(FairTurnsTest, ManagersAlternateWhereTheirWorkIsAlike) {
  turns_.wakes("a");
  turns_.wakes("b");
  turns_.wakes("c");
  std::string order;
  for (int i = 0; i < 9; ++i) order += turn({"a", "b", "c"});
  EXPECT_EQ(order, "abcabcabc");
}

TEST_F(FairTurnsTest, AreCountedInTimeAndNotInPhotos) {
  turns_.wakes("dear");
  turns_.wakes("cheap");
  int dear = 0;
  for (int i = 0; i < 400; ++i) {
    const bool next = turns_.choose({"dear", "cheap"}) == "dear";
    turn({"dear", "cheap"}, next ? 30ms : 10ms);
    dear += next ? 1 : 0;
  }
  EXPECT_NEAR(dear, 100, 2);  // three times as long each, so a quarter of all
}

TEST_F(FairTurnsTest, NobodySavesUpWhatHeDoesNotUse) {
  turns_.wakes("a");
  for (int i = 0; i < 1000; ++i) turn({"a"});
  turns_.wakes("b");
  EXPECT_EQ(turn({"a", "b"}), "b");
  int b = 0;
  for (int i = 0; i < 100; ++i) b += turn({"a", "b"}) == "b" ? 1 : 0;
  EXPECT_NEAR(b, 50, 1);
}

TEST_F(FairTurnsTest, WorkInHandCountsBeforeItEnds) {
  turns_.wakes("a");
  turns_.wakes("b");
  turn({"a"});
  turn({"b"});
  std::string order;
  for (int i = 0; i < 4; ++i) {  // four streams begin, none has ended
    order += turns_.choose({"a", "b"});
    (void)turns_.begins(order.substr(order.size() - 1));
  }
  EXPECT_EQ(order, "abab");
}

TEST_F(FairTurnsTest, WhatWasGivenUpIsPaidBack) {
  turns_.wakes("a");
  turns_.wakes("b");
  turn({"a"});
  turn({"b"});
  const auto charged = turns_.begins("a");
  turns_.ends("a", charged, 0ms);
  EXPECT_EQ(turn({"a", "b"}), "b") << "who had no turn for longer";
  EXPECT_EQ(turn({"a", "b"}), "a");
}

TEST_F(FairTurnsTest, ForgetsWhoHasLeft) {
  turns_.wakes("a");
  turns_.wakes("b");
  turns_.forget("a");
  EXPECT_EQ(turns_.accounts(), 1u);
  turns_.ends("a", 1ms, 1ms);  // late, of somebody who has left
  EXPECT_EQ(turns_.accounts(), 1u);
}

}  // namespace
}  // namespace imgrec::worker
