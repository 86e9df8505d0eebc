#include "client/app/client_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::client {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class ClientConfigTest : public testing::Test {
 protected:
  Result<Command> parse(std::vector<const char*> arguments) {
    config_ = {};
    paths_.clear();
    OptionSet options = client_options(config_);
    arguments.insert(arguments.begin(), "classify");
    return options.parse(static_cast<int>(arguments.size()), arguments.data(), &paths_);
  }

  ClientConfig config_;
  std::vector<std::string> paths_;
};

TEST_F(ClientConfigTest, FlagsAndPathsMayBeMixed) {
  ASSERT_TRUE(parse({"a.png", "--json", "-", "--timeout", "5s", "--", "--odd"}).ok());
  EXPECT_THAT(paths_, ElementsAre("a.png", "-", "--odd"));
  EXPECT_EQ(config_.output(), OutputKind::kJson);
  EXPECT_EQ(config_.classes(), 5u);
  EXPECT_EQ(config_.timeout, 5s);
}

TEST_F(ClientConfigTest, ATableAndCsvHaveOneClassUnlessToldOtherwise) {
  ASSERT_TRUE(parse({"--csv", "a.png"}).ok());
  EXPECT_EQ(config_.classes(), 1u);
  ASSERT_TRUE(parse({"--top", "3", "a.png"}).ok());
  EXPECT_EQ(config_.classes(), 3u);
  EXPECT_EQ(config_.output(), OutputKind::kTable);
}

TEST_F(ClientConfigTest, ASecretIsNoFlag) {
  EXPECT_THAT(parse({"--token", "x", "a.png"}).status().message(), HasSubstr("IMGREC_TOKEN"));
}

TEST_F(ClientConfigTest, EachRunHasASessionOfItsOwn) {
  ASSERT_TRUE(parse({"a.png"}).ok());
  const auto first = server_access(config_);
  const auto second = server_access(config_);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->session.size(), 32u);
  EXPECT_NE(first->session, second->session);
  EXPECT_EQ(first->tls, nullptr);
}

TEST_F(ClientConfigTest, HelpNamesWhatFollowsAndTheExitCodes) {
  const std::string help = client_options(config_).help();
  EXPECT_THAT(help, HasSubstr("Usage: imgrec classify [options] PATH...\n"));
  EXPECT_THAT(help, HasSubstr("Exit codes: 0 every photo recognised"));
  EXPECT_THAT(help, HasSubstr("--server URL"));
  EXPECT_THAT(help, HasSubstr("IMGREC_TOKEN"));
}

}  // namespace
}  // namespace imgrec::client
