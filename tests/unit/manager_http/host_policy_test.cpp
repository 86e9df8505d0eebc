#include "manager/http/host_policy.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

TEST(HostPolicy, ReadsTheHostOfAnAuthority) {
  EXPECT_EQ(host_of_authority("Example.ORG:8080"), "example.org");
  EXPECT_EQ(host_of_authority("example.org."), "example.org");
  EXPECT_EQ(host_of_authority("[::1]:80"), "::1");
  EXPECT_EQ(host_of_authority("[::1]"), "::1");
  EXPECT_EQ(host_of_authority("[::1"), "::1");
  EXPECT_EQ(host_of_authority(""), "");
  EXPECT_EQ(host_of_authority(":80"), "");
}

TEST(HostPolicy, WithoutNamesOrWithAStarTakesEveryName) {
  EXPECT_TRUE(HostPolicy({}).allows("whatever.example"));
  EXPECT_TRUE(HostPolicy({"a.example", "*"}).allows("whatever.example"));
}

TEST(HostPolicy, TakesItsNamesOnAnyPortAndInAnyCase) {
  const HostPolicy policy({"Photos.example"});
  EXPECT_TRUE(policy.allows("photos.example"));
  EXPECT_TRUE(policy.allows("PHOTOS.EXAMPLE:8080"));
  EXPECT_TRUE(policy.allows("photos.example."));
  EXPECT_FALSE(policy.allows("other.example"));
  EXPECT_FALSE(policy.allows("photos.example.evil.example"));
  EXPECT_FALSE(policy.allows("evilphotos.example"));
}

TEST(HostPolicy, TakesAddressesAndLocalhostWhichNobodyCanRebind) {
  const HostPolicy policy({"localhost"});
  for (const char* good :
       {"127.0.0.1:8080", "[::1]:8080", "192.168.1.5", "localhost:1", "imgrec.localhost", ""}) {
    EXPECT_TRUE(policy.allows(good)) << good;
  }
  // Names that look like addresses, or like localhost.
  for (const char* bad : {"127.0.0.1.evil.example", "1.2.3", "localhost.evil.example",
                          "evillocalhost", "0x7f.1", "127.0.0.1:80:evil.example@", "[::1].evil"}) {
    const bool allowed = policy.allows(bad);
    const bool address = host_of_authority(bad) == "127.0.0.1" || host_of_authority(bad) == "::1";
    EXPECT_EQ(allowed, address) << bad;
  }
}

}  // namespace
}  // namespace imgrec::manager
