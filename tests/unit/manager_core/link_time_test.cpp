#include "manager/core/link_time.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

TEST(LinkTime, KeepsTheLeastOfWhatWasReported) {
  LinkTime link;
  EXPECT_EQ(link.least(), 0us);
  link.add(20ms);
  link.add(500ms);  // behind a photo
  link.add(21ms);
  EXPECT_LT(link.least(), 22ms);
  EXPECT_EQ(link.latest(), 21ms);
  link.add(3ms);
  EXPECT_EQ(link.least(), 3ms);
}

TEST(LinkTime, BelievesALongerRouteAfterAWhile) {
  LinkTime link;
  link.add(1ms);
  for (int i = 0; i < 50; ++i) link.add(100ms);
  EXPECT_LT(link.least(), 3ms) << "not at once";
  for (int i = 0; i < 1000; ++i) link.add(100ms);
  EXPECT_EQ(link.least(), 100ms);
}

TEST(LinkTime, AGuessHoldsUntilTheFirstReport) {
  LinkTime link;
  link.guess(100us);  // as far as to a proxy
  EXPECT_EQ(link.least(), 100us);
  link.add(90ms);
  EXPECT_EQ(link.least(), 90ms);
  link.guess(1ms);
  EXPECT_EQ(link.least(), 90ms);
}

TEST(LinkTime, ZeroCountsAsMeasured) {
  LinkTime link;
  link.add(0us);
  EXPECT_EQ(link.least(), 1us);
}

}  // namespace
}  // namespace imgrec::manager
