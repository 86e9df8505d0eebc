#include "worker/core/manager_endpoint.h"

#include <string>

#include <gtest/gtest.h>

namespace imgrec::worker {
namespace {

TEST(ManagerEndpoint, ReadsHostAndPort) {
  const auto endpoint = parse_manager_endpoint("manager-0.example.org:2888");
  ASSERT_TRUE(endpoint.ok());
  EXPECT_EQ(endpoint->host, "manager-0.example.org");
  EXPECT_EQ(endpoint->port, "2888");
  EXPECT_EQ(endpoint->text(), "manager-0.example.org:2888");
}

TEST(ManagerEndpoint, TakesTheDefaultPortWhereNoneIsGiven) {
  EXPECT_EQ(parse_manager_endpoint("manager")->text(), "manager:2888");
  EXPECT_EQ(parse_manager_endpoint("[::1]")->text(), "[::1]:2888");
}

TEST(ManagerEndpoint, ReadsIpv6InBrackets) {
  const auto endpoint = parse_manager_endpoint("[fe80::1%eth0]:99");
  ASSERT_TRUE(endpoint.ok());
  EXPECT_EQ(endpoint->host, "fe80::1%eth0");
  EXPECT_EQ(endpoint->text(), "[fe80::1%eth0]:99");
}

TEST(ManagerEndpoint, TellsAddressesFromNames) {
  for (const char* address : {"127.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "fe80::1%eth0"}) {
    EXPECT_TRUE((ManagerEndpoint{address, "1"}).is_address()) << address;
  }
  for (const char* name : {"localhost", "1", "127.1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.",
                           "1.2.3.x", "1.2.3.4x", ".1.2.3.4", "10.0.0.1.example"}) {
    EXPECT_FALSE((ManagerEndpoint{name, "1"}).is_address()) << name;
  }
}

class BadManagerEndpoint : public testing::TestWithParam<const char*> {};

TEST_P(BadManagerEndpoint, IsRefusedByName) {
  const auto endpoint = parse_manager_endpoint(GetParam());
  ASSERT_FALSE(endpoint.ok());
  EXPECT_EQ(endpoint.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(endpoint.status().message().find(GetParam()), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Texts, BadManagerEndpoint,
                         testing::Values("", ":2888", "host:", "host:0", "host:65536", "host:x",
                                         "host:+1", "host:1 ", "::1:2888", "[::1", "[::1]x",
                                         "[::1]:", "[]:1", "a b:1", "http://host:1", "host\n:1"));

}  // namespace
}  // namespace imgrec::worker
