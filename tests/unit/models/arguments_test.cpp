#include "models/app/arguments.h"

#include <gtest/gtest.h>

namespace imgrec::models {
namespace {

const Arguments::Syntax kSyntax{.values = {"--out", "--name"},
                                .switches = {"--force"},
                                .required = {"--out"},
                                .min_operands = 0,
                                .max_operands = 2};

std::string complaint(const std::vector<std::string>& words) {
  return Arguments::parse(words, kSyntax).status().message();
}

TEST(Arguments, ReadsFlagsSwitchesAndOperandsInAnyOrder) {
  const auto arguments =
      Arguments::parse({"a", "--name=x=y", "--force", "--out", "dir", "--", "-b"}, kSyntax);
  ASSERT_TRUE(arguments.ok()) << arguments.status().message();
  EXPECT_EQ(arguments->value("--name"), "x=y");
  EXPECT_EQ(arguments->value("--out"), "dir");
  EXPECT_TRUE(arguments->has("--force"));
  EXPECT_EQ(arguments->operands(), (std::vector<std::string>{"a", "-b"}));
}

TEST(Arguments, SaysWhatIsWrong) {
  EXPECT_EQ(complaint({"--out", "d", "--nmae", "x"}), "unknown flag --nmae");
  EXPECT_EQ(complaint({"--out"}), "--out needs a value");
  EXPECT_EQ(complaint({"--out="}), "--out needs a value");
  EXPECT_EQ(complaint({"--out", "d", "--force=yes"}), "--force takes no value");
  EXPECT_EQ(complaint({"--out", "d", "--out", "e"}), "--out is given twice");
  EXPECT_EQ(complaint({"--force"}), "--out is missing");
  EXPECT_EQ(complaint({"--out", "d", "a", "b", "c"}), "unexpected argument c");
}

TEST(Arguments, ReadsSizesAndNumbers) {
  EXPECT_EQ(*parse_size("--resize", "256x128"), (std::pair<unsigned, unsigned>{256, 128}));
  for (const char* bad : {"256", "x256", "256x", "0x5", "-1x5", "256x256x3", "9000x5", "2.5x5"}) {
    EXPECT_FALSE(parse_size("--resize", bad).ok()) << bad;
  }
  EXPECT_EQ(*parse_numbers("--mean", "104,-1.5,1e2", 3), (std::vector<double>{104, -1.5, 100}));
  for (const char* bad : {"", "1,2", "1,2,3,4", "1,2,3,", "1,,3", "1,2,x", "1,2,nan", "1,2,inf"}) {
    EXPECT_FALSE(parse_numbers("--mean", bad, 3).ok()) << bad;
  }
  EXPECT_EQ(*parse_count("--top", "5", 1, 10), 5U);
  for (const char* bad : {"0", "11", "5x", "-1", ""}) {
    EXPECT_FALSE(parse_count("--top", bad, 1, 10).ok()) << bad;
  }
}

}  // namespace
}  // namespace imgrec::models
