#include "proto/text.h"

#include <gtest/gtest.h>

namespace imgrec::proto {
namespace {

const std::string kBad = "\xEF\xBF\xBD";  // U+FFFD

TEST(CleanText, LeavesGoodTextAlone) {
  const std::string good = "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\x9F ~";
  EXPECT_EQ(clean_text(good, 100), good);
}

TEST(CleanText, ReplacesEachMaximalIllFormedSequence) {
  // The examples of the Unicode standard, section 3.9, tables 3-8 to 3-11.
  EXPECT_EQ(clean_text("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", 100),
            kBad + kBad + kBad + kBad + kBad + kBad + kBad + kBad + "A");
  EXPECT_EQ(clean_text("\xED\xA0\x80\x41", 100), kBad + kBad + kBad + "A");
  EXPECT_EQ(clean_text("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", 100),
            kBad + kBad + kBad + kBad + kBad + "A" + kBad + kBad + "B");
  EXPECT_EQ(clean_text("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", 100),
            kBad + kBad + kBad + kBad + "A");
}

TEST(CleanText, TakesTheFirstAndLastCharacterOfEveryLength) {
  for (const std::string good :
       {"\xC2\xA0", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(clean_text(good, 10), good);
  }
}

TEST(CleanText, ReplacesControlCharactersAndTurnsLineBreaksIntoSpaces) {
  EXPECT_EQ(clean_text("a\tb\r\nc", 100), "a b  c");
  EXPECT_EQ(clean_text(std::string("a\0b\x1B[2J\x7F", 8), 100),
            "a" + kBad + "b" + kBad + "[2J" + kBad);
  EXPECT_EQ(clean_text("\xC2\x9B"
                       "31m",
                       100),
            kBad + "31m");  // C1: one-character CSI
}

TEST(CleanText, StaysWithinTheLimitThoughReplacementsAreLonger) {
  EXPECT_EQ(clean_text("\xFF\xFF\xFF", 8), kBad + kBad);
  EXPECT_EQ(clean_text("ab\xC3\xA9", 3), "ab");
  EXPECT_EQ(clean_text("ab\xC3\xA9", 4), "ab\xC3\xA9");
}

TEST(CutText, NeverCutsInsideACharacter) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\x9F";
  const std::vector<std::size_t> expected{0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (std::size_t limit = 0; limit < expected.size(); ++limit) {
    EXPECT_EQ(cut_text(text, limit).size(), expected[limit]) << "limit " << limit;
  }
}

TEST(CutText, CutsBytesThatAreNoTextAtTheLimit) {
  EXPECT_EQ(cut_text("\x80\x80\x80\x80\x80", 3).size(), 3u);
  EXPECT_EQ(cut_text("\xF0\xF0\xF0\xF0\xF0", 3).size(), 3u);
}

}  // namespace
}  // namespace imgrec::proto
