#include "link/core/direction.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "tests/unit/link_core/harness.h"

namespace imgrec::link {
namespace {

// Mean and deviation in milliseconds of what was asked about each arrival.
struct Moments {
  double mean = 0;
  double deviation = 0;
};

Moments delays(const Line& line, Duration spacing) {
  double sum = 0, squares = 0;
  for (const Arrived& packet : line.arrived) {
    const double ms = static_cast<double>((packet.at - packet.number * spacing).count()) / 1e6;
    sum += ms;
    squares += ms * ms;
  }
  const auto n = static_cast<double>(line.arrived.size());
  return {sum / n, std::sqrt(squares / n - sum / n * sum / n)};
}

TEST(Direction, DeliversAtOnceWithoutAnySetting) {
  Line line("");
  line.send(milliseconds(3), 40);
  line.run_until(milliseconds(3));
  ASSERT_EQ(line.arrived.size(), 1u);
  EXPECT_EQ(line.arrived[0].at, milliseconds(3));
  EXPECT_FALSE(line.direction.next_wake());
}

TEST(Direction, DelaysEachPacketByTheSameTimeHoweverManyAreUnderWay) {
  Line line("delay=500ms");
  for (int i = 0; i < 1000; ++i) line.send(milliseconds(i));
  EXPECT_EQ(line.direction.held(), 500u) << "those of the last half second";
  line.run_until(seconds(2));
  ASSERT_EQ(line.arrived.size(), 1000u);
  for (const Arrived& packet : line.arrived) {
    EXPECT_EQ(packet.at, milliseconds(packet.number + 500));
  }
}

TEST(Direction, DeliversTheBytesThatWereOffered) {
  Line line("delay=1ms");
  for (std::byte& b : line.direction.buffer()) b = std::byte{0x5A};
  line.direction.offer(line.start, 700);
  const auto packet = line.direction.due(line.start + milliseconds(1));
  ASSERT_TRUE(packet);
  ASSERT_EQ(packet->bytes.size(), 700u);
  EXPECT_TRUE(std::all_of(packet->bytes.begin(), packet->bytes.end(),
                          [](std::byte b) { return b == std::byte{0x5A}; }));
}

TEST(Direction, SendsAtTheRateToTheNanosecond) {
  Line line("rate=100mbit queue=60s");
  for (int i = 0; i < 100; ++i) line.send(seconds(0));
  line.run_until(seconds(1));
  ASSERT_EQ(line.arrived.size(), 100u);
  for (const Arrived& packet : line.arrived) {
    EXPECT_EQ(packet.at, microseconds(120) * (packet.number + 1)) << "1500 bytes at 100 Mbit/s";
  }
}

TEST(Direction, RoundingOfSendingTimesDoesNotAddUp) {
  Line line("rate=7mbit queue=60s");  // 100 bytes take 114285.71 ns
  for (int i = 0; i < 70'000; ++i) line.send(seconds(0), 100);
  line.run_until(seconds(10));
  ASSERT_EQ(line.arrived.size(), 70'000u);
  EXPECT_EQ(line.arrived.back().at, seconds(8));
}

TEST(Direction, AnIdleLineSavesNoRateUp) {
  Line line("rate=12mbit");  // 1 ms a packet
  line.send(seconds(0));
  line.send(seconds(5));
  line.send(seconds(5));
  line.run_until(seconds(6));
  ASSERT_EQ(line.arrived.size(), 3u);
  EXPECT_EQ(line.arrived[1].at, seconds(5) + milliseconds(1));
  EXPECT_EQ(line.arrived[2].at, seconds(5) + milliseconds(2));
}

TEST(Direction, DropsAtTheTailWhatWouldWaitLongerThanTheQueueAllows) {
  Line line("rate=12mbit queue=10ms");
  for (int i = 0; i < 30; ++i) line.send(seconds(0));
  line.run_until(seconds(1));
  EXPECT_EQ(line.counters().dropped.packets, 19u) << "one is being sent, ten wait";
  EXPECT_EQ(line.counters().dropped.bytes, 19u * 1500);
  EXPECT_EQ(line.counters().lost.packets, 0u);
  ASSERT_EQ(line.arrived.size(), 11u);
  EXPECT_EQ(line.arrived.back().number, 10u) << "the first ones were kept";
}

TEST(Direction, CountsAQueueInBytesWhereAsked) {
  Line line("rate=12mbit queue=4000B");
  line.send(seconds(0));  // is being sent
  for (const std::size_t bytes : {1500, 1500, 1500, 900}) line.send(seconds(0), bytes);
  EXPECT_EQ(line.counters().dropped.packets, 1u) << "3900 of 4000 bytes wait";
  line.send(milliseconds(1), 1500);  // the first is sent, the second is no longer waiting
  EXPECT_EQ(line.counters().dropped.packets, 1u);
}

TEST(Direction, OnePacketMayWaitHoweverSmallTheQueue) {
  Line line("rate=12mbit queue=0");
  for (int i = 0; i < 3; ++i) line.send(seconds(0));
  line.run_until(seconds(1));
  EXPECT_EQ(line.arrived.size(), 2u);
  EXPECT_EQ(line.counters().dropped.packets, 1u);
}

TEST(Direction, RateAndDelayAddUp) {
  Line line("rate=12mbit delay=50ms");
  line.send(seconds(0));
  line.send(seconds(0));
  line.run_until(seconds(1));
  ASSERT_EQ(line.arrived.size(), 2u);
  EXPECT_EQ(line.arrived[0].at, milliseconds(51));
  EXPECT_EQ(line.arrived[1].at, milliseconds(52));
}

TEST(Direction, UniformJitterKeepsItsBoundsAndItsDeviation) {
  Line line("delay=50ms jitter=5ms reorder=true");
  for (int i = 0; i < 20'000; ++i) line.send(milliseconds(i));
  line.run_until(seconds(60));
  ASSERT_EQ(line.arrived.size(), 20'000u);
  for (const Arrived& packet : line.arrived) {
    const Duration delay = packet.at - milliseconds(packet.number);
    ASSERT_GE(delay, milliseconds(45));
    ASSERT_LE(delay, milliseconds(55));
  }
  const Moments moments = delays(line, milliseconds(1));
  EXPECT_NEAR(moments.mean, 50, 0.1);  // standard error 0.02
  EXPECT_NEAR(moments.deviation, 5 / std::sqrt(3.0), 0.06);
}

TEST(Direction, NormalJitterHasTheDeviationThatWasAskedFor) {
  Line line("delay=50ms jitter=5ms jitter-shape=normal reorder=true");
  for (int i = 0; i < 20'000; ++i) line.send(milliseconds(i));
  line.run_until(seconds(60));
  const Moments moments = delays(line, milliseconds(1));
  EXPECT_NEAR(moments.mean, 50, 0.15);
  EXPECT_NEAR(moments.deviation, 5, 0.15);
  for (const Arrived& packet : line.arrived) {
    ASSERT_LE(packet.at - milliseconds(packet.number), milliseconds(70)) << "four deviations";
  }
}

TEST(Direction, NormalJitterNeverArrivesBeforeItWasSent) {
  Line line("delay=5ms jitter=5ms jitter-shape=normal reorder=true");
  for (int i = 0; i < 5000; ++i) line.send(milliseconds(i));
  line.run_until(seconds(60));
  ASSERT_EQ(line.arrived.size(), 5000u);
  for (const Arrived& packet : line.arrived) ASSERT_GE(packet.at, milliseconds(packet.number));
}

TEST(Direction, AsksToBeWokenWhenAPacketIsDueAndNotLater) {
  for (const std::string settings :
       {"delay=50ms", "delay=50ms jitter=20ms", "delay=50ms jitter=20ms reorder=true",
        "delay=50ms jitter=20ms jitter-shape=normal", "delay=5ms jitter=5ms reorder=true",
        "delay=50ms jitter=10ms jitter-shape=normal reorder=true"}) {
    for (const std::string rate : {" rate=12mbit queue=60s", " rate=1mbit queue=60s", ""}) {
      Line line(settings + rate);
      for (int i = 0; i < 300; ++i) line.send(seconds(0));
      line.run_until(seconds(30));
      ASSERT_EQ(line.arrived.size(), 300u);
      for (const Arrived& packet : line.arrived) {
        ASSERT_EQ(packet.at, packet.due) << settings << rate << ", packet " << packet.number;
      }
    }
  }
}

TEST(Direction, JitterKeepsTheOrderUnlessToldOtherwise) {
  const auto ordered = [](const Line& line) {
    return std::is_sorted(line.arrived.begin(), line.arrived.end(),
                          [](const Arrived& x, const Arrived& y) { return x.number < y.number; });
  };
  Line keeps("delay=50ms jitter=50ms");
  Line overtakes("delay=50ms jitter=50ms reorder=true");
  for (Line* line : {&keeps, &overtakes}) {
    for (int i = 0; i < 1000; ++i) line->send(milliseconds(i));
    line->run_until(seconds(10));
    EXPECT_EQ(line->arrived.size(), 1000u);
  }
  EXPECT_TRUE(ordered(keeps));
  EXPECT_FALSE(ordered(overtakes));
}

TEST(Direction, LosesTheShareThatWasAskedForAndTheSamePacketsForTheSameSeed) {
  const auto lost_of = [](std::uint64_t seed, std::string_view more) {
    Line line(std::string("loss=10% delay=1ms ").append(more), seed);
    for (int i = 0; i < 100'000; ++i) line.send(microseconds(i * 100), 100);
    line.run_until(seconds(60));
    std::vector<std::uint32_t> numbers;
    for (const Arrived& packet : line.arrived) numbers.push_back(packet.number);
    EXPECT_EQ(line.counters().lost.packets, 100'000 - numbers.size());
    return numbers;
  };
  const auto first = lost_of(7, "");
  EXPECT_NEAR(static_cast<double>(first.size()), 90'000, 400);  // standard deviation 95
  EXPECT_EQ(lost_of(7, ""), first);
  EXPECT_EQ(lost_of(7, "jitter=1ms"), first) << "jitter throws other dice";
  EXPECT_NE(lost_of(8, ""), first);
}

TEST(Direction, ALostPacketTookItsTimeOnTheLine) {
  Line line("rate=12mbit loss=100%");
  line.send(seconds(0));
  line.run_until(microseconds(999));
  EXPECT_EQ(line.counters().lost.packets, 0u);
  line.run_until(milliseconds(1));
  EXPECT_EQ(line.counters().lost.packets, 1u);
}

TEST(Direction, CountsHowLateItsPacketsWereTaken) {
  Line line("delay=10ms");
  line.send(seconds(0));
  const TimePoint late = line.start + milliseconds(14);
  ASSERT_TRUE(line.direction.due(late));
  line.direction.settle(late, true);
  EXPECT_EQ(line.counters().lateness.max(), milliseconds(4));
  EXPECT_EQ(line.counters().sojourn_max, milliseconds(14));
  EXPECT_EQ(line.counters().sojourn_sum, milliseconds(14));
}

TEST(Direction, LatenessOfOneDeliveryDelaysNoOther) {
  Line line("rate=12mbit delay=10ms");
  for (int i = 0; i < 3; ++i) line.send(seconds(0));
  // Nobody looks until long after; what was due when is as it would have been.
  const TimePoint late = line.start + seconds(1);
  for (int i = 1; i <= 3; ++i) {
    const auto packet = line.direction.due(late);
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->due - line.start, milliseconds(10 + i));
    line.direction.settle(late, true);
  }
}

TEST(Direction, APacketThatTheFarEndRefusesIsCountedAsThat) {
  Line line("");
  line.send(seconds(0), 60);
  // Line took it; the next one is refused.
  line.direction.offer(line.start, line.direction.buffer().first(60).size());
  ASSERT_TRUE(line.direction.due(line.start));
  line.direction.settle(line.start, false);
  line.run_until(seconds(1));
  EXPECT_EQ(line.counters().refused.packets, 1u);
  EXPECT_EQ(accounted(line), line.counters().in.packets);
}

TEST(Direction, HoldsNoMoreThanItMayAndGoesOnAfterwards) {
  Line line("delay=1s", 1, 300);
  for (int i = 0; i < 1000; ++i) line.send(microseconds(i));
  EXPECT_EQ(line.counters().overflowed.packets, 700u);
  EXPECT_EQ(line.direction.held(), 300u);
  line.run_until(seconds(2));
  for (int i = 0; i < 300; ++i) line.send(seconds(3));
  line.run_until(seconds(5));
  EXPECT_EQ(line.counters().overflowed.packets, 700u);
  EXPECT_EQ(line.arrived.size(), 600u);
}

TEST(Direction, AccountsForEveryPacket) {
  Line line("rate=10mbit queue=20ms delay=30ms jitter=10ms loss=5%", 3, 100);
  for (int i = 0; i < 20'000; ++i) {
    if (i == 10'000) line.change(seconds(5), "rate=10mbit queue=20ms delay=1s loss=5%");
    line.send(microseconds(i * 500), 40 + static_cast<std::size_t>(i) % 1460);
    if (i % 997 == 0) {
      ASSERT_EQ(accounted(line), line.counters().in.packets);
    }
  }
  line.run_until(seconds(60));
  EXPECT_EQ(line.direction.held(), 0u);
  EXPECT_EQ(accounted(line), 20'000u);
  const DirectionCounters& c = line.counters();
  EXPECT_EQ(c.delivered.bytes + c.lost.bytes + c.dropped.bytes + c.overflowed.bytes, c.in.bytes);
  EXPECT_GT(c.dropped.packets, 0u);
  EXPECT_GT(c.lost.packets, 0u);
  EXPECT_GT(c.overflowed.packets, 0u);
}

TEST(Direction, CountersBeginAnewWithWhatIsHeld) {
  Line line("rate=12mbit delay=10ms");
  for (int i = 0; i < 5; ++i) line.send(seconds(0));
  line.run_until(milliseconds(12));  // two have arrived, three are under way
  line.send(milliseconds(12));
  line.direction.reset_counters();
  EXPECT_EQ(line.counters().in.packets, 4u);
  EXPECT_EQ(accounted(line), 4u);
  line.run_until(seconds(1));
  EXPECT_EQ(line.counters().delivered.packets, 4u);
  EXPECT_EQ(line.arrived.size(), 6u);
  EXPECT_EQ(line.arrived.back().number, 5u);
}

}  // namespace
}  // namespace imgrec::link
