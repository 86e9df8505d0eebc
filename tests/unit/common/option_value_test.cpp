#include "common/option_value.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

TEST(OptionValue, IntegersAreDecimalAndRangeChecked) {
  std::uint16_t port = 7;
  EXPECT_TRUE(set_option_value(&port, "0").ok());
  EXPECT_EQ(port, 0);
  EXPECT_TRUE(set_option_value(&port, "65535").ok());
  EXPECT_EQ(port, 65535);
  unsigned count = 0;
  EXPECT_TRUE(set_option_value(&count, "4294967295").ok());
  EXPECT_FALSE(set_option_value(&count, "4294967296").ok());
  std::uint64_t big = 0;
  EXPECT_TRUE(set_option_value(&big, "18446744073709551615").ok());
  EXPECT_EQ(big, std::numeric_limits<std::uint64_t>::max());
  EXPECT_FALSE(set_option_value(&big, "18446744073709551616").ok());
}

TEST(OptionValue, IntegerComplaintsNameTheRangeAndLeaveTheTargetAlone) {
  std::uint16_t port = 7;
  for (const char* text : {"80a", "65536", "-1", "+1", " 80", "80 ", "", "0x50", "1e3", "1.0"}) {
    const Status status = set_option_value(&port, text);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(status.message(),
              std::string("\"").append(text).append("\" is not a whole number from 0 to 65535"));
    EXPECT_EQ(port, 7) << text;
  }
}

TEST(OptionValue, LeadingZerosAreRefusedAsAmbiguous) {
  unsigned count = 3;
  const Status status = set_option_value(&count, "010");
  EXPECT_EQ(status.message(),
            "\"010\" has a leading zero, which some read as octal: write the decimal number "
            "without it");
  EXPECT_EQ(count, 3u);
}

TEST(OptionValue, BoolsAreTrueOrFalseOnly) {
  bool on = false;
  EXPECT_TRUE(set_option_value(&on, "true").ok());
  EXPECT_TRUE(on);
  EXPECT_TRUE(set_option_value(&on, "false").ok());
  EXPECT_FALSE(on);
  for (const char* text : {"yes", "1", "True", "", "no"}) {
    EXPECT_FALSE(set_option_value(&on, text).ok()) << text;
  }
}

TEST(OptionValue, DoublesAreFinite) {
  double p = 0;
  EXPECT_TRUE(set_option_value(&p, "0.25").ok());
  EXPECT_DOUBLE_EQ(p, 0.25);
  for (const char* text : {"nan", "inf", "1e999", "0,5", "", "0.5x"}) {
    EXPECT_FALSE(set_option_value(&p, text).ok()) << text;
  }
}

TEST(OptionValue, DurationsNeedAUnit) {
  milliseconds time{1};
  const std::pair<const char*, milliseconds> good[] = {{"250ms", milliseconds(250)},
                                                       {"10s", milliseconds(10'000)},
                                                       {"5m", milliseconds(300'000)},
                                                       {"2h", milliseconds(7'200'000)},
                                                       {"0s", milliseconds(0)}};
  for (const auto& [text, expected] : good) {
    EXPECT_TRUE(set_option_value(&time, text).ok()) << text;
    EXPECT_EQ(time, expected) << text;
  }
  for (const char* text : {"10", "10 s", "s", "", "-1s", "1.5s", "1d", "010s", "1S"}) {
    EXPECT_FALSE(set_option_value(&time, text).ok()) << text;
  }
  EXPECT_EQ(set_option_value(&time, "8761h").message(),
            "\"8761h\" is longer than the limit of a year, 8760h");
  EXPECT_FALSE(set_option_value(&time, "99999999999999999h").ok());
}

TEST(OptionValue, SizesAreBytesOrBinaryUnits) {
  ByteSize size;
  const std::pair<const char*, std::uint64_t> good[] = {
      {"65536", 65536}, {"64KiB", 65536}, {"20MiB", 20u << 20}, {"1GiB", 1u << 30}, {"0", 0}};
  for (const auto& [text, expected] : good) {
    EXPECT_TRUE(set_option_value(&size, text).ok()) << text;
    EXPECT_EQ(size.bytes, expected) << text;
  }
  for (const char* text : {"64KB", "64k", "1 MiB", "", "MiB", "99999999999999GiB", "1.5GiB"}) {
    EXPECT_FALSE(set_option_value(&size, text).ok()) << text;
  }
}

TEST(OptionValue, ListsAreSplitAtCommasAndTrimmed) {
  std::vector<std::string> list;
  EXPECT_TRUE(set_option_value(&list, "a:1, b:2 ,c").ok());
  EXPECT_THAT(list, ElementsAre("a:1", "b:2", "c"));
  for (const char* text : {"a,,b", ",a", "a,", ","}) {
    EXPECT_FALSE(set_option_value(&list, text).ok()) << text;
    EXPECT_EQ(list.size(), 3u) << text;
  }
  EXPECT_TRUE(set_option_value(&list, "").ok());
  EXPECT_TRUE(list.empty());
}

TEST(OptionValue, TextsMayBeAnythingButHoldNoNul) {
  std::string text;
  EXPECT_TRUE(set_option_value(&text, "010 yes").ok());
  EXPECT_EQ(text, "010 yes");
  EXPECT_FALSE(set_option_value(&text, std::string_view("a\0b", 3)).ok());
}

TEST(OptionValue, ShownValuesReadBack) {
  milliseconds time{90'000};
  EXPECT_EQ(option_value_text(&time), "90s");
  time = milliseconds(1'500);
  EXPECT_EQ(option_value_text(&time), "1500ms");
  time = milliseconds(0);
  EXPECT_EQ(option_value_text(&time), "0ms");
  ByteSize size{64ull << 20};
  EXPECT_EQ(option_value_text(&size), "64MiB");
  size.bytes = 0;
  EXPECT_EQ(option_value_text(&size), "0");
  size.bytes = 1000;
  EXPECT_EQ(option_value_text(&size), "1000");
  std::vector<std::string> list{"a", "b"};
  EXPECT_EQ(option_value_text(&list), "a,b");
  double p = 0.1;
  EXPECT_EQ(option_value_text(&p), "0.1");
}

TEST(NearestName, FindsSlipsAndNothingElse) {
  const std::vector<std::string> names{"http.port", "http.listen", "log.level"};
  EXPECT_EQ(nearest_name("http.prot", names), "http.port");
  EXPECT_EQ(nearest_name("htp.listen", names), "http.listen");
  EXPECT_EQ(nearest_name("colour", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name(std::string(100'000, 'h'), names), "");
}

}  // namespace
}  // namespace imgrec
