#include "manager/core/fair_queue.h"

#include <vector>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

const SessionId kAnna{"anna"};
const SessionId kBen{"ben"};

std::vector<std::uint64_t> drain(FairQueue& queue) {
  std::vector<std::uint64_t> order;
  while (!queue.empty()) order.push_back(queue.pop().value);
  return order;
}

TEST(FairQueue, TakesTurnsBetweenSessionsAndKeepsOrderWithinOne) {
  FairQueue queue;
  for (std::uint64_t job : {1, 2, 3, 4}) queue.push(JobId{job}, kAnna);
  queue.push(JobId{5}, kBen);
  queue.push(JobId{6}, kBen);
  EXPECT_EQ(drain(queue), (std::vector<std::uint64_t>{1, 5, 2, 6, 3, 4}));
}

TEST(FairQueue, ForgetsErasedJobsAndEmptySessions) {
  FairQueue queue;
  queue.push(JobId{1}, kAnna);
  queue.push(JobId{2}, kBen);
  queue.push(JobId{3}, kBen);
  EXPECT_TRUE(queue.erase(JobId{1}));
  EXPECT_FALSE(queue.erase(JobId{1}));
  EXPECT_TRUE(queue.erase(JobId{3}));
  EXPECT_EQ(queue.size(), 1u);
  queue.push(JobId{4}, kAnna);
  EXPECT_EQ(drain(queue), (std::vector<std::uint64_t>{2, 4}));
}

TEST(FairQueue, SessionThatComesBackWaitsForItsTurn) {
  FairQueue queue;
  queue.push(JobId{1}, kAnna);
  queue.push(JobId{2}, kBen);
  EXPECT_EQ(queue.pop(), JobId{1});
  queue.push(JobId{3}, kAnna);
  EXPECT_EQ(drain(queue), (std::vector<std::uint64_t>{2, 3}));
}

TEST(FairQueue, ChargesASessionForWhatItsJobsCost) {
  FairQueue queue;
  for (std::uint64_t job : {1, 2, 3}) queue.push(JobId{job}, kAnna, 3);
  for (std::uint64_t job : {11, 12, 13, 14, 15}) queue.push(JobId{job}, kBen, 1);
  EXPECT_EQ(drain(queue), (std::vector<std::uint64_t>{1, 11, 12, 13, 2, 14, 15, 3}));
}

TEST(FairQueue, OneWhoWasAwayIsNextButGainsNothing) {
  FairQueue queue;
  for (std::uint64_t job = 1; job <= 100; ++job) queue.push(JobId{job}, kAnna);
  for (int i = 0; i < 50; ++i) (void)queue.pop();
  for (std::uint64_t job : {201, 202, 203}) queue.push(JobId{job}, kBen);
  EXPECT_EQ(queue.pop(), JobId{201}) << "the newcomer's first";
  EXPECT_EQ(queue.pop(), JobId{51}) << "and no more than turns from then on";
  EXPECT_EQ(queue.pop(), JobId{202});
  EXPECT_EQ(queue.pop(), JobId{52});
}

TEST(FairQueue, ComingBackAtOnceDoesNotJumpTheLine) {
  FairQueue queue;
  for (std::uint64_t job = 1; job <= 4; ++job) queue.push(JobId{job}, kAnna);
  queue.push(JobId{11}, kBen, 2);
  EXPECT_EQ(queue.pop(), JobId{1});
  EXPECT_EQ(queue.pop(), JobId{11});
  queue.push(JobId{12}, kBen, 2);  // his turn of cost 2 is not over
  EXPECT_EQ(queue.pop(), JobId{2});
  EXPECT_EQ(queue.pop(), JobId{12});
  EXPECT_EQ(queue.pop(), JobId{3});
}

TEST(FairQueue, AnErasedLineLeavesNoDebtBehind) {
  FairQueue queue;
  queue.push(JobId{1}, kAnna, 1000);
  queue.push(JobId{2}, kBen, 1);
  EXPECT_TRUE(queue.erase(JobId{1}));
  queue.push(JobId{3}, kAnna, 1);
  EXPECT_EQ(drain(queue), (std::vector<std::uint64_t>{2, 3}));
}

}  // namespace
}  // namespace imgrec::manager
