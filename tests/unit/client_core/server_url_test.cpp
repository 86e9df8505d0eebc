#include "client/core/server_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::client {
namespace {

using testing::HasSubstr;

TEST(ServerUrl, IsTakenApart) {
  const auto plain = parse_server_url("http://here:8080");
  ASSERT_TRUE(plain.ok());
  EXPECT_FALSE(plain->tls);
  EXPECT_EQ(plain->host, "here");
  EXPECT_EQ(plain->port, "8080");
  EXPECT_EQ(plain->authority(), "here:8080");
  EXPECT_EQ(plain->text(), "http://here:8080");
}

TEST(ServerUrl, LeavesTheSchemesOwnPortOut) {
  EXPECT_EQ(parse_server_url("http://here")->authority(), "here");
  EXPECT_EQ(parse_server_url("http://here:80/")->authority(), "here");
  EXPECT_EQ(parse_server_url("https://here")->port, "443");
  EXPECT_EQ(parse_server_url("https://here:443/x/")->text(), "https://here/x");
  EXPECT_EQ(parse_server_url("https://here:80")->authority(), "here:80");
}

TEST(ServerUrl, TakesAddressesAndPrefixes) {
  const auto six = parse_server_url("http://[::1]:81/a/b//");
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->authority(), "[::1]:81");
  EXPECT_EQ(six->prefix, "/a/b");
}

TEST(ServerUrl, RefusesWhatIsNone) {
  for (const char* text : {"", "here:8080", "ftp://here", "http://", "http://:80", "http://[::1",
                           "http://here:", "http://here:0", "http://here:65536", "http://here:80x",
                           "http://a b", "http://[::1]x", "http://here/a b", "http://here/\r\nX: y",
                           "http://here/?query", "http://he\"re"}) {
    const auto url = parse_server_url(text);
    EXPECT_FALSE(url.ok()) << text;
    EXPECT_THAT(url.status().message(), HasSubstr("http://127.0.0.1:8080")) << text;
  }
  EXPECT_THAT(parse_server_url("http://me:secret@here").status().message(),
              HasSubstr("IMGREC_TOKEN"));
  EXPECT_FALSE(parse_server_url("http://" + std::string(3000, 'a')).ok());
}

}  // namespace
}  // namespace imgrec::client
