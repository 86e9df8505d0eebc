#include "worker/core/result_cache.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace imgrec::worker {
namespace {

Answer answer(std::uint32_t index) { return {std::vector<proto::ScoredClass>{{index, 0.5f}}, 5}; }

std::uint32_t index_of(const Answer& answer) {
  return std::get<std::vector<proto::ScoredClass>>(answer.result).at(0).index;
}

TEST(ResultCache, FindsWhatWasInserted) {
  ResultCache cache(2);
  cache.insert({"m", JobId{1}}, answer(7));
  const Answer* found = cache.find({"m", JobId{1}});
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(index_of(*found), 7u);
  EXPECT_EQ(cache.find({"m", JobId{2}}), nullptr);
}

TEST(ResultCache, KeepsJobsOfDifferentManagersApart) {
  ResultCache cache(4);
  cache.insert({"a", JobId{1}}, answer(1));
  EXPECT_EQ(cache.find({"b", JobId{1}}), nullptr);
  cache.insert({"b", JobId{1}}, answer(2));
  EXPECT_EQ(index_of(*cache.find({"a", JobId{1}})), 1u);
  EXPECT_EQ(index_of(*cache.find({"b", JobId{1}})), 2u);
}

TEST(ResultCache, DropsTheLeastRecentlyUsedOverItsCapacity) {
  ResultCache cache(2);
  cache.insert({"m", JobId{1}}, answer(1));
  cache.insert({"m", JobId{2}}, answer(2));
  ASSERT_NE(cache.find({"m", JobId{1}}), nullptr);  // now 2 is the oldest
  cache.insert({"m", JobId{3}}, answer(3));
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_NE(cache.find({"m", JobId{1}}), nullptr);
  EXPECT_EQ(cache.find({"m", JobId{2}}), nullptr);
  EXPECT_NE(cache.find({"m", JobId{3}}), nullptr);
}

TEST(ResultCache, ReplacesTheAnswerOfTheSameJob) {
  ResultCache cache(2);
  cache.insert({"m", JobId{1}}, answer(1));
  cache.insert({"m", JobId{2}}, answer(2));
  cache.insert({"m", JobId{1}}, answer(9));
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(index_of(*cache.find({"m", JobId{1}})), 9u);
  cache.insert({"m", JobId{3}}, answer(3));  // replacing counted as use
  EXPECT_NE(cache.find({"m", JobId{1}}), nullptr);
}

TEST(ResultCache, OfCapacityZeroKeepsNothing) {
  ResultCache cache(0);
  cache.insert({"m", JobId{1}}, answer(1));
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.find({"m", JobId{1}}), nullptr);
}

}  // namespace
}  // namespace imgrec::worker
