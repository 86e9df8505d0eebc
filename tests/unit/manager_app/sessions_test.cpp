#include "manager/app/sessions.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

HttpRequest with(Headers headers) {
  HttpRequest request;
  request.method = "POST";
  request.path = "/";
  request.headers = std::move(headers);
  return request;
}

const std::string kOurs(32, 'a');

TEST(Sessions, ReadsHeaderBeforeCookie) {
  EXPECT_EQ(
      session_of(with({{"x-session", std::string(20, 'h')}, {"cookie", "imgrec_session=" + kOurs}}))
          ->text,
      std::string(20, 'h'));
  EXPECT_EQ(session_of(with({{"cookie", "a=b; imgrec_session=" + kOurs}}))->text, kOurs);
}

TEST(Sessions, IsEmptyWhereNoneIsNamedOrTheCookieIsMalformed) {
  EXPECT_TRUE(session_of(with({}))->empty());
  EXPECT_TRUE(session_of(with({{"cookie", "imgrec_session=short"}}))->empty());
  EXPECT_TRUE(session_of(with({{"cookie", "imgrec_session=" + std::string(200, 'a')}}))->empty());
}

TEST(Sessions, RefusesAMalformedHeaderInWords) {
  for (const std::string& bad :
       {std::string("short"), std::string(65, 'a'), std::string("0123456789abcde/")}) {
    const auto session = session_of(with({{"x-session", bad}}));
    ASSERT_FALSE(session.ok()) << bad;
    EXPECT_NE(session.status().message().find("16 to 64"), std::string::npos);
  }
}

TEST(Sessions, AreRandomAndWellFormed) {
  const SessionId a = new_session();
  EXPECT_EQ(a.text.size(), 32u);
  EXPECT_NE(a, new_session());
  EXPECT_TRUE(session_of(with({{"x-session", a.text}})).ok());
}

TEST(Sessions, AStrangersSessionSeesNothingTheIdAloneDoes) {
  ImageRecord image;
  image.session = SessionId{kOurs};
  EXPECT_TRUE(may_see(SessionId{kOurs}, image));
  EXPECT_TRUE(may_see(SessionId{}, image));
  EXPECT_FALSE(may_see(SessionId{std::string(32, 'b')}, image));
}

TEST(Sessions, RefusesOtherSitesPages) {
  EXPECT_TRUE(same_site(with({{"host", "here:8080"}})));
  EXPECT_TRUE(same_site(with({{"host", "here:8080"}, {"origin", "http://here:8080"}})));
  EXPECT_FALSE(same_site(with({{"host", "here:8080"}, {"origin", "http://evil.example"}})));
  EXPECT_FALSE(same_site(with({{"host", "here:8080"}, {"origin", "null"}})));
  EXPECT_FALSE(same_site(with({{"host", "here:8080"}, {"sec-fetch-site", "cross-site"}})));
}

}  // namespace
}  // namespace imgrec::manager
