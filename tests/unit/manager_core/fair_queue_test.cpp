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

}  // namespace
}  // namespace imgrec::manager
