#include "link/core/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::link {
namespace {

using testing::HasSubstr;

std::string complaint(std::string_view line) {
  const auto command = parse_command(line);
  return command.ok() ? "" : command.status().message();
}

TEST(LinkCommand, ReadsTheShortOnes) {
  EXPECT_EQ(parse_command("stats")->kind, Command::Kind::kStatistics);
  EXPECT_EQ(parse_command("reset")->kind, Command::Kind::kReset);
  EXPECT_EQ(parse_command(" reset ")->kind, Command::Kind::kReset);
}

TEST(LinkCommand, SetNamesLinkDirectionAndSettings) {
  const auto command = parse_command("set site1 a-to-b loss=5% delay=10ms");
  ASSERT_TRUE(command.ok());
  EXPECT_EQ(command->kind, Command::Kind::kSet);
  EXPECT_EQ(command->link, "site1");
  EXPECT_TRUE(command->a_to_b);
  EXPECT_FALSE(command->b_to_a);
  EXPECT_EQ(command->settings, " loss=5% delay=10ms");
  EXPECT_TRUE(parse_command("set all both loss=0")->b_to_a);
  EXPECT_FALSE(parse_command("set all b-to-a loss=0")->a_to_b);
}

TEST(LinkCommand, DownAndUpAreBothDirections) {
  for (const auto& [line, settings] :
       {std::pair("down site1", "down=true"), std::pair("up site1", "down=false")}) {
    const auto command = parse_command(line);
    ASSERT_TRUE(command.ok());
    EXPECT_TRUE(command->a_to_b && command->b_to_a);
    EXPECT_EQ(command->link, "site1");
    EXPECT_EQ(command->settings, settings);
  }
}

TEST(LinkCommand, SaysWhatIsWrongAndWhatThereIs) {
  EXPECT_THAT(complaint(""), HasSubstr("the commands are"));
  EXPECT_THAT(complaint("explode"), HasSubstr("unknown command"));
  EXPECT_THAT(complaint("stats now"), HasSubstr("more behind"));
  EXPECT_THAT(complaint("down"), HasSubstr("which link"));
  EXPECT_THAT(complaint("down a b"), HasSubstr("more behind"));
  EXPECT_THAT(complaint("set site1 sideways loss=1%"), HasSubstr("a direction"));
  EXPECT_THAT(complaint("set site1 both"), HasSubstr("nothing to set"));
  EXPECT_THAT(complaint("set site1 both loss=2"), HasSubstr("not a share"));
  EXPECT_THAT(complaint(std::string(2000, 'x')), HasSubstr("longer than 1024"));
}

}  // namespace
}  // namespace imgrec::link
