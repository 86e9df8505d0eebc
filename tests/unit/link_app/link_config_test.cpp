#include "link/app/link_config.h"

#include <cstring>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::link {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

Result<std::vector<LinkConfig>> links(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "imgrec-link");
  LinkOptions options;
  OptionSet set = link_option_set(options);
  const auto command = set.parse(static_cast<int>(arguments.size()), arguments.data());
  if (!command.ok()) return command.status();
  return links_of(options);
}

std::string complaint(const std::vector<const char*>& arguments) {
  const auto result = links(arguments);
  return result.ok() ? "" : result.status().message();
}

TEST(LinkConfig, AnEndpointIsNamespaceInterfaceAndAddress) {
  const auto end = parse_endpoint("site1:eth1:10.1.2.3/30");
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->namespace_path(), "/run/netns/site1");
  EXPECT_EQ(end->interface, "eth1");
  EXPECT_EQ(end->family, AF_INET);
  EXPECT_EQ(end->prefix, 30u);
  EXPECT_EQ(end->address[0], 10);
  EXPECT_EQ(end->address[3], 3);
}

TEST(LinkConfig, AnEndpointMayHaveAPathOurOwnNamespaceOrIpv6) {
  EXPECT_EQ(parse_endpoint("/proc/12/ns/net:t0:10.0.0.1/8")->namespace_path(), "/proc/12/ns/net");
  EXPECT_EQ(parse_endpoint(":t0:10.0.0.1/8")->namespace_path(), "");
  const auto six = parse_endpoint("x:t0:fd00::1/64");
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six->family, AF_INET6);
  EXPECT_EQ(six->address[15], 1);
}

TEST(LinkConfig, AWrongEndpointIsRefusedWithTheReason) {
  const auto why = [](std::string_view text) { return parse_endpoint(text).status().message(); };
  EXPECT_THAT(why(""), HasSubstr("NAMESPACE:INTERFACE:ADDRESS/PREFIX"));
  EXPECT_THAT(why("a:b"), HasSubstr("NAMESPACE:INTERFACE:ADDRESS/PREFIX"));
  EXPECT_THAT(why("a:name-longer-than-15:10.0.0.1/8"), HasSubstr("no interface name"));
  EXPECT_THAT(why("a:e/x:10.0.0.1/8"), HasSubstr("no interface name"));
  EXPECT_THAT(why("a:b:10.0.0.256/8"), HasSubstr("no IP address"));
  EXPECT_THAT(why("a:b:10.0.0.1"), HasSubstr("prefix length"));
  EXPECT_THAT(why("a:b:10.0.0.1/33"), HasSubstr("prefix length"));
  EXPECT_THAT(why("a:b:10.0.0.1/8x"), HasSubstr("prefix length"));
}

TEST(LinkConfig, FlagsMakeOneLinkWhoseDirectionsMayDiffer) {
  const auto result = links({"--a", "x:t:10.0.0.1/30", "--b", "y:t:10.0.0.2/30", "--delay", "50ms",
                             "--rate", "100mbit", "--b-to-a", "rate=5mbit loss=1%", "--seed", "9"});
  ASSERT_TRUE(result.ok()) << result.status().message();
  ASSERT_EQ(result->size(), 1u);
  const LinkConfig& link = result->front();
  EXPECT_EQ(link.a_to_b.delay, milliseconds(50));
  EXPECT_EQ(link.b_to_a.delay, milliseconds(50));
  EXPECT_EQ(link.a_to_b.rate, 100'000'000u);
  EXPECT_EQ(link.b_to_a.rate, 5'000'000u);
  EXPECT_EQ(link.a_to_b.loss, 0);
  EXPECT_EQ(link.b_to_a.loss, 0.01);
  EXPECT_EQ(link.seed, 9u);
}

TEST(LinkConfig, RefusesWhatCannotBe) {
  const std::vector<const char*> ends{"--a", "x:t:10.0.0.1/30", "--b", "y:t:10.0.0.2/30"};
  const auto with = [&ends](const char* flag, const char* value) {
    auto all = ends;
    all.insert(all.end(), {flag, value});
    return complaint(all);
  };
  EXPECT_THAT(complaint({"--a", "x:t:10.0.0.1/30"}), HasSubstr("both ends"));
  EXPECT_THAT(complaint({"--a", "nonsense", "--b", "y:t:10.0.0.2/30"}), HasSubstr("--a: "));
  EXPECT_THAT(complaint({"--a", "x:t:10.0.0.1/30", "--b", "x:t:10.0.0.2/30"}),
              HasSubstr("wanted twice"));
  EXPECT_THAT(with("--delay", "50"), HasSubstr("--delay: "));
  EXPECT_THAT(with("--jitter", "5ms"), HasSubstr("jitter must not be larger"));
  EXPECT_THAT(with("--b-to-a", "loss=3"), HasSubstr("--b-to-a: loss: "));
  EXPECT_THAT(with("--mtu", "100"), HasSubstr("mtu must be"));
  EXPECT_THAT(with("--name", "all"), HasSubstr("link's name"));
  EXPECT_THAT(with("--tick", "20ms"), HasSubstr("10ms at most"));
  EXPECT_THAT(with("--tick", "1"), HasSubstr("not a time"));
  EXPECT_THAT(with("--max-packets", "1"), HasSubstr("max-packets"));
  EXPECT_THAT(with("--links", "f.yaml"), HasSubstr("cannot be given together"));
}

}  // namespace
}  // namespace imgrec::link
