#include "manager/app/socket_command.h"

#include <string>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

TEST(SocketCommand, TurnsClusterFiguresOnAndOff) {
  EXPECT_EQ(read_cluster_command(R"({"type":"cluster","on":true})"), true);
  EXPECT_EQ(read_cluster_command(R"({"type":"cluster","on":false})"), false);
  EXPECT_EQ(read_cluster_command(R"({"type":"cluster"})"), false);
  EXPECT_EQ(read_cluster_command(R"({"type":"cluster","on":1,"more":[1,2]})"), false);
}

TEST(SocketCommand, IgnoresWhatIsNoCommandOfOurs) {
  for (const std::string text : {"", "cluster", "[]", "{", R"({"type":"other","on":true})",
                                 R"({"type":{"type":"cluster"}})", "\xff{}"}) {
    EXPECT_EQ(read_cluster_command(text), std::nullopt) << text;
  }
}

TEST(SocketCommand, DeepNestingIsNotFollowed) {
  const std::string deep = R"({"type":"cluster","on":)" + std::string(30'000, '[');
  EXPECT_EQ(read_cluster_command(deep + std::string(30'000, ']') + "}"), false);
  EXPECT_EQ(read_cluster_command(deep), std::nullopt);
}

}  // namespace
}  // namespace imgrec::manager
