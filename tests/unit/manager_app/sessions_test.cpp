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
  const auto from = [](std::string origin, std::string host = "here:8080") {
    return same_site(with({{"host", std::move(host)}, {"origin", std::move(origin)}}));
  };
  EXPECT_TRUE(same_site(with({{"host", "here:8080"}})));
  EXPECT_TRUE(from("http://here:8080"));
  EXPECT_TRUE(from("http://HERE:8080")) << "names have no case";
  EXPECT_TRUE(from("https://here", "here")) << "behind a proxy that speaks TLS";
  EXPECT_TRUE(from("http://here", "here:80"));
  EXPECT_TRUE(from("https://here", "here:443"));
  EXPECT_TRUE(from("http://[::1]:8080", "[::1]:8080"));
  EXPECT_FALSE(from("http://evil.example"));
  EXPECT_FALSE(from("null")) << "a sandboxed frame, a file";
  EXPECT_FALSE(from("http://here")) << "another port";
  EXPECT_FALSE(from("http://here:80"));
  EXPECT_FALSE(from("http://here:8081"));
  EXPECT_FALSE(from("http://sub.here:8080"));
  EXPECT_FALSE(from("http://here:8080.evil.example"));
  EXPECT_FALSE(from("http://here:8080@evil.example"));
  EXPECT_FALSE(from("ftp://here:8080"));
  EXPECT_FALSE(from("chrome-extension://here:8080"));
  EXPECT_FALSE(from("here:8080"));
}

TEST(Sessions, BelievesABrowserThatSaysWhoseThePageIs) {
  const auto from = [](std::string site) {
    return same_site(with({{"host", "here:8080"}, {"sec-fetch-site", std::move(site)}}));
  };
  EXPECT_TRUE(from("same-origin"));
  EXPECT_TRUE(from("none")) << "typed by the person";
  EXPECT_FALSE(from("cross-site"));
  EXPECT_FALSE(from("same-site")) << "another port or subdomain";
  EXPECT_FALSE(from("something new"));
}

TEST(Sessions, RefusesTwoNamesInOneRequest) {
  const std::string ours = "imgrec_session=" + kOurs;
  const std::string planted = "imgrec_session=" + std::string(32, 'e');
  for (const Headers& headers :
       {Headers{{"cookie", ours + "; " + planted}}, Headers{{"cookie", ours}, {"cookie", planted}},
        Headers{{"cookie", planted + ";" + ours}},
        Headers{{"x-session", kOurs}, {"x-session", std::string(32, 'e')}}}) {
    EXPECT_FALSE(session_of(with(headers)).ok());
  }
  EXPECT_TRUE(session_of(with({{"cookie", "other=1; " + ours + "; imgrec_session_2=x"}})).ok());
}

TEST(Sessions, GivesTheCookieToThisSiteAndNoScriptAndOverTlsOnlyThere) {
  const std::string plain = session_cookie(SessionId{kOurs}, with({}));
  EXPECT_EQ(plain,
            "imgrec_session=" + kOurs + "; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict");
  const std::string proxied =
      session_cookie(SessionId{kOurs}, with({{"x-forwarded-proto", "https"}}));
  EXPECT_EQ(proxied, plain + "; Secure");
}

}  // namespace
}  // namespace imgrec::manager
