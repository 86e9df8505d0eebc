#include "client/text/display.h"

#include <gtest/gtest.h>

namespace imgrec::client {
namespace {

TEST(Display, LabelsLoseTheirSynsetAndTheirSynonyms) {
  EXPECT_EQ(readable_label("n01440764 tench, Tinca tinca"), "tench");
  EXPECT_EQ(readable_label("tabby cat"), "tabby cat");
  EXPECT_EQ(readable_label("n0144 short"), "n0144 short");
  EXPECT_EQ(readable_label("n01440764 "), "n01440764");
  EXPECT_EQ(readable_label(""), "unnamed class");
}

TEST(Display, ProbabilitiesNeverClaimCertainty) {
  EXPECT_EQ(percent(0.5), "50%");
  EXPECT_EQ(percent(0.9999), ">99%");
  EXPECT_EQ(percent(0.001), "<1%");
  EXPECT_EQ(percent(1), "100%");
  EXPECT_EQ(percent(0), "0%");
  EXPECT_EQ(percent(7), "100%");
}

TEST(Display, Durations) {
  EXPECT_EQ(duration(0.2), "<1 ms");
  EXPECT_EQ(duration(84.3), "84 ms");
  EXPECT_EQ(duration(1240), "1.24 s");
  EXPECT_EQ(duration(12'340), "12.3 s");
  EXPECT_EQ(duration(125'000), "2 min 5 s");
}

TEST(Display, Sizes) {
  EXPECT_EQ(byte_size(0), "0 B");
  EXPECT_EQ(byte_size(999), "999 B");
  EXPECT_EQ(byte_size(1500), "1.5 kB");
  EXPECT_EQ(byte_size(999'990), "1.0 MB");
  EXPECT_EQ(byte_size(34'200'000), "34.2 MB");
  EXPECT_EQ(byte_size(5'000'000'000'000'000), "5000.0 TB");
}

TEST(Display, WidthCountsColumnsAndNotBytes) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("\xC3\xA9"), 1u);          // é
  EXPECT_EQ(display_width("e\xCC\x81"), 1u);         // e and a combining accent
  EXPECT_EQ(display_width("\xE7\x8C\xAB"), 2u);      // 猫
  EXPECT_EQ(display_width("\xF0\x9F\x98\x80"), 2u);  // an emoji
}

TEST(Display, FitsExactly) {
  EXPECT_EQ(fit("abc", 5), "abc  ");
  EXPECT_EQ(fit("abcdef", 4), "abc\xE2\x80\xA6");
  EXPECT_EQ(fit("abcdef", 4, /*keep_end=*/true),
            "\xE2\x80\xA6"
            "def");
  EXPECT_EQ(fit("abcdef", 1), "\xE2\x80\xA6");
  // A wide character that does not fit leaves a space.
  EXPECT_EQ(fit("\xE7\x8C\xAB\xE7\x8C\xAB", 3), "\xE7\x8C\xAB\xE2\x80\xA6");
  EXPECT_EQ(display_width(fit("\xE7\x8C\xAB\xE7\x8C\xAB\xE7\x8C\xAB", 4)), 4u);
}

TEST(Display, WhatComesFromOutsideIsHarmless) {
  EXPECT_EQ(harmless("a\x1b[31mb"), "a\xEF\xBF\xBD[31mb");
  EXPECT_EQ(harmless("a\nb\tc"), "a b c");
  EXPECT_EQ(harmless("\xC2\x9B"), "\xEF\xBF\xBD");  // a C1 control character
  EXPECT_EQ(harmless("\xE2\x80\xAE"
                     "gpj"),
            "\xEF\xBF\xBDgpj");  // right to left from here
  EXPECT_EQ(harmless("\xFF\xC3"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(harmless("\xC3\xA9"), "\xC3\xA9");
}

}  // namespace
}  // namespace imgrec::client
