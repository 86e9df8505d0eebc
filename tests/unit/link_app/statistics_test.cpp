#include "link/app/statistics.h"

#include <gtest/gtest.h>

namespace imgrec::link {
namespace {

TEST(LinkStatistics, SayWhatWasAskedForAndWhatCameOfIt) {
  DirectionSettings settings;
  ASSERT_TRUE(set_settings(settings, "delay=20ms rate=12mbit queue=0").ok());
  Direction direction(settings, 1, 1500, 16);
  const TimePoint start(std::chrono::hours(1));
  for (int i = 0; i < 3; ++i) {
    (void)direction.buffer();
    direction.offer(start, 1500);
  }
  const TimePoint late = start + std::chrono::milliseconds(25);
  ASSERT_TRUE(direction.due(late));
  direction.settle(late, true);

  const auto json = direction_json(direction, 4);
  EXPECT_EQ(json["settings"]["delay_ms"], 20);
  EXPECT_EQ(json["settings"]["rate"], 12'000'000);
  EXPECT_EQ(json["in"]["packets"], 3);
  EXPECT_EQ(json["in"]["bytes"], 4500);
  EXPECT_EQ(json["delivered"]["packets"], 1);
  EXPECT_EQ(json["dropped"]["packets"], 1);
  EXPECT_EQ(json["held"], 1);
  EXPECT_EQ(json["unread"], 4);
  EXPECT_EQ(json["sojourn_ms"]["mean"], 25);
  EXPECT_EQ(json["sojourn_ms"]["max"], 25);
  EXPECT_EQ(json["lateness_ms"]["max"], 4);
}

}  // namespace
}  // namespace imgrec::link
