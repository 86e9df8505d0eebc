#include "manager/store/byte_cache.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

proto::SharedBytes bytes(std::size_t size) {
  return std::make_shared<const std::string>(size, 'x');
}

TEST(ByteCache, KeepsWithinItsLimitAndPrefersTheOldest) {
  ByteCache cache(100);
  cache.put(JobId{1}, bytes(60));
  cache.put(JobId{2}, bytes(60));
  cache.put(JobId{3}, bytes(40));
  EXPECT_NE(cache.get(JobId{1}), nullptr);
  EXPECT_EQ(cache.get(JobId{2}), nullptr);
  EXPECT_NE(cache.get(JobId{3}), nullptr);
  EXPECT_EQ(cache.used(), 100u);
}

TEST(ByteCache, CountsWhatLeaves) {
  ByteCache cache(100);
  cache.put(JobId{1}, bytes(100));
  cache.put(JobId{1}, bytes(100));
  cache.drop(JobId{1});
  cache.drop(JobId{1});
  EXPECT_EQ(cache.used(), 0u);
  cache.put(JobId{2}, bytes(100));
  EXPECT_NE(cache.get(JobId{2}), nullptr);
}

TEST(ByteCache, HoldsNothingWithALimitOfZero) {
  ByteCache cache(0);
  cache.put(JobId{1}, bytes(1));
  EXPECT_EQ(cache.get(JobId{1}), nullptr);
}

}  // namespace
}  // namespace imgrec::manager
