// Links that change while packets are on them.
#include <gtest/gtest.h>

#include "tests/unit/link_core/harness.h"

namespace imgrec::link {
namespace {

TEST(DirectionChange, ANewDelayIsForPacketsSentFromThenOn) {
  Line line("delay=100ms");
  line.send(seconds(0));
  line.change(milliseconds(50), "delay=200ms");
  line.send(milliseconds(50));
  line.run_until(seconds(1));
  ASSERT_EQ(line.arrived.size(), 2u);
  EXPECT_EQ(line.arrived[0].at, milliseconds(100));
  EXPECT_EQ(line.arrived[1].at, milliseconds(250));
}

TEST(DirectionChange, AShorterDelayLetsNoPacketOvertakeUnlessAllowed) {
  for (const bool reorder : {false, true}) {
    Line line(reorder ? "delay=500ms reorder=true" : "delay=500ms");
    line.send(seconds(0));
    line.change(milliseconds(1), reorder ? "delay=10ms reorder=true" : "delay=10ms");
    line.send(milliseconds(1));
    line.run_until(seconds(1));
    ASSERT_EQ(line.arrived.size(), 2u);
    EXPECT_EQ(line.arrived[0].number, reorder ? 1u : 0u);
    EXPECT_EQ(line.arrived[1].at, milliseconds(500));
  }
}

TEST(DirectionChange, WhatWaitsIsSentAtTheNewRate) {
  Line line("rate=12mbit");
  for (int i = 0; i < 3; ++i) line.send(seconds(0));
  line.change(microseconds(500), "rate=6mbit");  // half of the first is sent
  line.run_until(seconds(1));
  ASSERT_EQ(line.arrived.size(), 3u);
  EXPECT_EQ(line.arrived[0].at, microseconds(1500));
  EXPECT_EQ(line.arrived[1].at, microseconds(3500));
  EXPECT_EQ(line.arrived[2].at, microseconds(5500));
}

TEST(DirectionChange, WithoutARateWhatWaitsIsSentAtOnce) {
  Line line("rate=1kbit queue=60s delay=5ms");  // 12 s a packet
  for (int i = 0; i < 3; ++i) line.send(seconds(0));
  line.change(seconds(1), "delay=5ms");
  line.run_until(seconds(2));
  ASSERT_EQ(line.arrived.size(), 3u);
  for (const Arrived& packet : line.arrived) EXPECT_EQ(packet.at, seconds(1) + milliseconds(5));
}

TEST(DirectionChange, AShorterQueueDropsNewcomersOnly) {
  Line line("rate=12mbit queue=100ms");
  for (int i = 0; i < 50; ++i) line.send(seconds(0));
  line.change(microseconds(1), "rate=12mbit queue=10ms");
  line.send(milliseconds(1));
  line.run_until(seconds(1));
  EXPECT_EQ(line.arrived.size(), 50u);
  EXPECT_EQ(line.counters().dropped.packets, 1u);
}

TEST(DirectionChange, DownLosesWhatIsOfferedWhatWaitsAndWhatIsUnderWay) {
  Line line("rate=12mbit delay=100ms");
  for (int i = 0; i < 5; ++i) line.send(seconds(0));
  line.change(microseconds(2500), "rate=12mbit delay=100ms down=true");  // two under way
  EXPECT_EQ(line.counters().cut.packets, 5u);
  EXPECT_EQ(line.direction.held(), 0u);
  EXPECT_FALSE(line.direction.next_wake());
  line.send(milliseconds(50));
  line.run_until(seconds(1));
  EXPECT_EQ(line.counters().cut.packets, 6u);
  EXPECT_TRUE(line.arrived.empty());
}

TEST(DirectionChange, UpAgainItCarriesAsBefore) {
  Line line("rate=12mbit delay=100ms");
  for (int i = 0; i < 5; ++i) line.send(seconds(0));
  line.change(milliseconds(1), "rate=12mbit delay=100ms down=true");
  line.change(seconds(1), "rate=12mbit delay=100ms");
  line.send(seconds(1));
  line.send(seconds(1));
  line.run_until(seconds(2));
  ASSERT_EQ(line.arrived.size(), 2u);
  EXPECT_EQ(line.arrived[0].at, milliseconds(1101)) << "nothing of before is in the way";
  EXPECT_EQ(line.arrived[1].at, milliseconds(1102));
  EXPECT_EQ(accounted(line), 7u);
}

TEST(DirectionChange, WhatWasCutKeepsNoLaterPacketWaiting) {
  Line line("delay=500ms");
  line.send(seconds(0));
  line.change(milliseconds(1), "delay=500ms down=true");
  line.change(milliseconds(2), "delay=10ms");
  line.send(milliseconds(2));
  line.run_until(seconds(1));
  ASSERT_EQ(line.arrived.size(), 1u);
  EXPECT_EQ(line.arrived[0].at, milliseconds(12));
}

TEST(DirectionChange, LossBeginsAndEndsWithTheChange) {
  Line line("");
  auto send_thousand = [&line, at = 0]() mutable {
    for (int i = 0; i < 1000; ++i) line.send(milliseconds(at++));
  };
  send_thousand();
  line.change(milliseconds(999), "loss=50%");
  send_thousand();
  const std::uint64_t lost = line.counters().lost.packets;
  EXPECT_NEAR(static_cast<double>(lost), 500, 80);
  line.change(milliseconds(1999), "");
  send_thousand();
  EXPECT_EQ(line.counters().lost.packets, lost);
}

}  // namespace
}  // namespace imgrec::link
