#include "proto/instance_id.h"

#include <gtest/gtest.h>

namespace imgrec::proto {
namespace {

TEST(InstanceId, NamesTheProcessAndHowOftenItChangedItsModel) {
  EXPECT_EQ(instance_id("7f3a", 0), "7f3a");
  EXPECT_EQ(instance_id("7f3a", 12), "7f3a--12");
  EXPECT_EQ(process_of("7f3a"), "7f3a");
  EXPECT_EQ(process_of("7f3a--12"), "7f3a");
}

TEST(InstanceId, OfOtherProgramsIsTakenAsItIs) {
  for (const char* id : {"w1-7f3a", "w-1", "w--", "w--1a", "--1", "", "-"}) {
    EXPECT_EQ(process_of(id), id);
  }
}

}  // namespace
}  // namespace imgrec::proto
