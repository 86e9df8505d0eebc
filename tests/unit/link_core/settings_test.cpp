#include "link/core/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::link {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::HasSubstr;

DirectionSettings read(std::string_view text) {
  DirectionSettings settings;
  const Status status = set_settings(settings, text);
  EXPECT_TRUE(status.ok()) << text << ": " << status.message();
  return settings;
}

std::string complaint(std::string_view text) {
  DirectionSettings settings;
  return set_settings(settings, text).message();
}

std::string misfit(std::string_view text) { return check(read(text)).message(); }

TEST(LinkSettings, ReadsEverySetting) {
  const DirectionSettings s = read(
      "delay=50ms jitter=250us jitter-shape=normal reorder=true loss=10% burst=4 burst-loss=0.75  "
      "rate=2.5mbit queue=64KiB down=true");
  EXPECT_EQ(s.delay, milliseconds(50));
  EXPECT_EQ(s.jitter, microseconds(250));
  EXPECT_EQ(s.jitter_shape, JitterShape::kNormal);
  EXPECT_TRUE(s.reorder);
  EXPECT_DOUBLE_EQ(s.loss, 0.1);
  EXPECT_DOUBLE_EQ(s.burst, 4);
  EXPECT_DOUBLE_EQ(s.burst_loss, 0.75);
  EXPECT_EQ(s.rate, 2'500'000u);
  EXPECT_EQ(s.queue, (QueueLimit{Duration(0), 65536}));
  EXPECT_TRUE(s.down);
  EXPECT_TRUE(check(s).ok());
}

TEST(LinkSettings, ReadsTimesRatesSharesAndQueues) {
  EXPECT_EQ(read("delay=0.5ms").delay, microseconds(500));
  EXPECT_EQ(read("delay=1.5s").delay, milliseconds(1500));
  EXPECT_EQ(read("delay=0").delay, Duration(0));
  EXPECT_EQ(read("rate=1gbit").rate, 1'000'000'000u);
  EXPECT_EQ(read("rate=64kbit").rate, 64'000u);
  EXPECT_EQ(read("rate=0").rate, 0u);
  EXPECT_DOUBLE_EQ(read("loss=0.5%").loss, 0.005);
  EXPECT_DOUBLE_EQ(read("loss=1").loss, 1);
  EXPECT_EQ(read("queue=20ms").queue, (QueueLimit{milliseconds(20), 0}));
  EXPECT_EQ(read("queue=0").queue, (QueueLimit{Duration(0), 0}));
  EXPECT_EQ(read(""), DirectionSettings());
}

TEST(LinkSettings, SaysWhatIsWrong) {
  EXPECT_THAT(complaint("delay=50"), HasSubstr("delay: \"50\" is not a time"));
  EXPECT_THAT(complaint("delay=-1ms"), HasSubstr("not a time"));
  EXPECT_THAT(complaint("delay=2h"), HasSubstr("not a time"));
  EXPECT_THAT(complaint("delay=61s"), HasSubstr("limit of 60s"));
  EXPECT_THAT(complaint("delay=nan"), HasSubstr("not a time"));
  EXPECT_THAT(complaint("delay=1e3ms"), HasSubstr("not a time"));
  EXPECT_THAT(complaint("jitter="), HasSubstr("not a time"));
  EXPECT_THAT(complaint("loss=101%"), HasSubstr("not a share"));
  EXPECT_THAT(complaint("loss=10"), HasSubstr("not a share"));
  EXPECT_THAT(complaint("rate=100"), HasSubstr("not a rate"));
  EXPECT_THAT(complaint("rate=1bit"), HasSubstr("not a rate"));
  EXPECT_THAT(complaint("rate=101gbit"), HasSubstr("not a rate"));
  EXPECT_THAT(complaint("queue=5"), HasSubstr("neither a time"));
  EXPECT_THAT(complaint("burst=0.5"), HasSubstr("burst: "));
  EXPECT_THAT(complaint("down=yes"), HasSubstr("neither true nor false"));
  EXPECT_THAT(complaint("jitter-shape=pareto"), HasSubstr("neither uniform nor normal"));
  EXPECT_THAT(complaint("color=red"), HasSubstr("there is no setting \"color\""));
  EXPECT_THAT(complaint("delay"), HasSubstr("not KEY=VALUE"));
  EXPECT_THAT(complaint("delay=\x1b[0m"), HasSubstr("\"?[0m\""));
}

TEST(LinkSettings, LeavesAValueAsItWasWhereTheNewOneIsWrong) {
  DirectionSettings settings = read("delay=5ms queue=7ms");
  EXPECT_FALSE(set_setting(settings, "delay", "x").ok());
  EXPECT_FALSE(set_setting(settings, "queue", "x").ok());
  EXPECT_EQ(settings, read("delay=5ms queue=7ms"));
}

TEST(LinkSettings, RefusesValuesThatDoNotFitEachOther) {
  EXPECT_EQ(misfit("delay=5ms jitter=5ms"), "");
  EXPECT_THAT(misfit("delay=5ms jitter=6ms"), HasSubstr("jitter must not be larger"));
  EXPECT_EQ(misfit("loss=50% burst=1"), "");
  EXPECT_THAT(misfit("loss=60% burst=1"), HasSubstr("make burst larger"));
  EXPECT_THAT(misfit("loss=50% burst=5 burst-loss=50%"), HasSubstr("less than burst-loss"));
}

}  // namespace
}  // namespace imgrec::link
