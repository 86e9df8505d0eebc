#include "manager/app/access.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "manager/app/digest.h"
#include "manager/app/sessions.h"
#include "net/join_token.h"

namespace imgrec::manager {
namespace {

const std::string kToken = "0123456789abcdef0123456789abcdef";
const SessionId kSession{"anna-anna-anna-anna"};

AccessControl guarded() { return AccessControl(*net::make_join_token(kToken)); }

HttpRequest request(Headers headers) {
  HttpRequest made;
  made.method = "GET";
  made.headers = std::move(headers);
  return made;
}

TEST(AccessControl, AsksNobodyWhereThereIsNoToken) {
  const AccessControl open(nullptr);
  EXPECT_FALSE(open.asks());
  EXPECT_TRUE(open.admits(request({}), kSession));
  EXPECT_FALSE(open.is_token(""));
}

TEST(AccessControl, AdmitsWhoSendsTheToken) {
  const AccessControl access = guarded();
  EXPECT_FALSE(access.admits(request({}), kSession));
  EXPECT_TRUE(access.admits(request({{"authorization", "Bearer " + kToken}}), kSession));
  EXPECT_TRUE(access.admits(request({{"authorization", "bearer  " + kToken}}), {}));
  for (const std::string& wrong :
       {std::string("Bearer"), std::string("Bearer "), "Bearer " + kToken + "0",
        "Bearer " + kToken.substr(1), "Basic " + kToken, kToken, "Bearer " + std::string(32, 'x'),
        "Bearer " + std::string(5000, 'x')}) {
    EXPECT_FALSE(access.admits(request({{"authorization", wrong}}), kSession)) << wrong;
  }
}

TEST(AccessControl, ACookieProvesItForItsSessionAlone) {
  const AccessControl access = guarded();
  const std::string set = access.cookie(kSession, request({}));
  const std::string pair = set.substr(0, set.find(';'));
  EXPECT_EQ(pair.find(kToken), std::string::npos) << "the token itself stays here";
  EXPECT_NE(set.find("HttpOnly"), std::string::npos);
  EXPECT_NE(set.find("SameSite=Strict"), std::string::npos);
  EXPECT_TRUE(access.admits(request({{"cookie", pair}}), kSession));
  EXPECT_FALSE(access.admits(request({{"cookie", pair}}), SessionId{"bert-bert-bert-bert"}));
  EXPECT_FALSE(access.admits(request({{"cookie", pair}}), SessionId{}));
  EXPECT_FALSE(access.admits(request({{"cookie", pair + "0"}}), kSession));
  EXPECT_FALSE(access.admits(request({{"cookie", "imgrec_access="}}), kSession));
  const AccessControl other(*net::make_join_token("another-token-another-token-1234"));
  EXPECT_FALSE(other.admits(request({{"cookie", pair}}), kSession));
}

TEST(CorsPolicy, AdmitsPagesOfNamedOriginsOnly) {
  const CorsPolicy named({"https://gallery.example"});
  const auto from = [](const std::string& origin) {
    return request({{"host", "here:8080"}, {"origin", origin}});
  };
  EXPECT_TRUE(named.admits(from("https://gallery.example")));
  EXPECT_FALSE(named.admits(from("https://evil.example")));
  EXPECT_FALSE(named.admits(from("https://gallery.example.evil.example")));
  EXPECT_FALSE(named.admits(from("null")));
  EXPECT_FALSE(named.admits(from("http://here:8080"))) << "our own page needs no leave";
  EXPECT_FALSE(named.admits(request({{"host", "here:8080"}})));
  EXPECT_FALSE(CorsPolicy({}).admits(from("https://gallery.example")));
  EXPECT_TRUE(CorsPolicy({"*"}).admits(from("https://evil.example")));
}

TEST(CorsPolicy, VaryKeepsWhatItSaid) {
  HttpResponse response;
  response.headers = {{"Vary", "Accept-Encoding"}};
  CorsPolicy::open("https://gallery.example", response);
  const auto vary = std::count_if(response.headers.begin(), response.headers.end(),
                                  [](const auto& header) { return header.first == "Vary"; });
  EXPECT_EQ(vary, 1);
  EXPECT_EQ(response.headers.front().second, "Accept-Encoding, Origin");
}

TEST(CorsPolicy, OriginsAreWhatBrowsersSend) {
  for (const char* good : {"*", "https://a.example", "http://localhost:3000", "http://[::1]:80"}) {
    EXPECT_TRUE(is_origin(good)) << good;
  }
  for (const char* bad :
       {"", "a.example", "https://", "https://a.example/", "ftp://a", "https://*", "https://a b"}) {
    EXPECT_FALSE(is_origin(bad)) << bad;
  }
}

TEST(SessionOfKey, IsTheSameForTheSameKeyAndSecretOnly) {
  const SessionId session = session_of_key("key", "secret");
  EXPECT_EQ(session.text.size(), 32u);
  EXPECT_EQ(session, session_of_key("key", "secret"));
  EXPECT_NE(session, session_of_key("kez", "secret"));
  EXPECT_NE(session, session_of_key("key", "secres"));
}

TEST(Digest, IsXxh3OfItsPartsAndTheirLengths) {
  const auto digest = [](std::vector<std::string_view> parts) { return xxh3_hex(parts); };
  EXPECT_EQ(digest({}), "99aa06d3014798d86001c324468d497f") << "of nothing, as xxh128sum has it";
  EXPECT_EQ(digest({"ab", "c"}), digest({"ab", "c"}));
  EXPECT_NE(digest({"ab", "c"}), digest({"a", "bc"}));
  EXPECT_NE(digest({"abc"}), digest({"abc", ""}));
  const std::string photo(200'000, 'p');
  std::string other = photo;
  other[150'000] = 'q';
  EXPECT_NE(digest({photo}), digest({other}));
}

TEST(Digest, IsSha256OfItsPartsAndTheirLengths) {
  // printf '3:abc' | sha256sum
  EXPECT_EQ(sha256_hex({"abc"}),
            "aab5f9ae99b2e38fb462025c8f72f570c9c811705d2a4277dc855d7fa293fe97");
  EXPECT_NE(sha256_hex({"ab", "c"}), sha256_hex({"a", "bc"}));
  EXPECT_NE(sha256_hex({"abc"}), sha256_hex({"abc", ""}));
}

}  // namespace
}  // namespace imgrec::manager
