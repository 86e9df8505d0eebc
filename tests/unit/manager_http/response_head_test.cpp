#include "manager/http/response_head.h"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ResponseHead, StatesTheLengthOfTheBodyAndWhetherTheConnectionStays) {
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = std::make_shared<const std::string>("12345");
  const std::string head = response_head(response, true);
  EXPECT_EQ(head.substr(0, 17), "HTTP/1.1 200 OK\r\n");
  EXPECT_THAT(head, HasSubstr("\r\nContent-Length: 5\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nServer: imgrec\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nConnection: keep-alive\r\n"));
  EXPECT_EQ(head.substr(head.size() - 4), "\r\n\r\n");
  EXPECT_THAT(response_head(response, false), HasSubstr("\r\nConnection: close\r\n"));
}

TEST(ResponseHead, StatesNoLengthForNotModified) {
  HttpResponse response;
  response.status = 304;
  EXPECT_THAT(response_head(response, true), Not(HasSubstr("Content-Length")));
}

TEST(MakeSendable, DropsHeadersThatWouldSplitTheResponse) {
  HttpResponse response;
  response.headers = {{"X-Good", "1"},
                      {"X-Bad", "1\r\nSet-Cookie: evil=1"},
                      {"Bad Name", "1"},
                      {"content-length", "7"},
                      {"Connection", "upgrade"}};
  response.content_type = "text/html\r\nX-Evil: 1";
  make_sendable(response);
  ASSERT_EQ(response.headers.size(), 1 + security_headers().size());
  EXPECT_EQ(response.headers[0], (Headers::value_type{"X-Good", "1"}));
  EXPECT_EQ(response.content_type, "");
}

TEST(MakeSendable, TurnsAnImpossibleStatusInto500) {
  for (const int status : {0, 99, 101, 600, -1}) {
    HttpResponse response;
    response.status = status;
    make_sendable(response);
    EXPECT_EQ(response.status, 500);
  }
}

TEST(ProblemResponse, IsProblemJsonWithAStableCode) {
  const HttpResponse problem = problem_response(413, "body_too_large", "too \"big\"");
  EXPECT_EQ(problem.status, 413);
  EXPECT_EQ(problem.content_type, "application/problem+json");
  EXPECT_EQ(*problem.body, R"({"type":"about:blank","title":"Content Too Large","status":413,)"
                           R"("detail":"too \"big\"","code":"body_too_large"})");
}

std::string header(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(SecurityHeaders, AreOnEveryAnswer) {
  HttpResponse response;
  make_sendable(response);
  const std::string policy = header(response, "Content-Security-Policy");
  EXPECT_NE(policy.find("script-src 'self'"), std::string::npos);
  EXPECT_NE(policy.find("style-src 'self'"), std::string::npos);
  EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos) << "nothing inline";
  EXPECT_EQ(policy.find('*'), std::string::npos);
  EXPECT_EQ(header(response, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(header(response, "X-Frame-Options"), "DENY");
  EXPECT_EQ(header(response, "Referrer-Policy"), "no-referrer");
  EXPECT_NE(header(response, "Permissions-Policy").find("camera=(self)"), std::string::npos);
  EXPECT_EQ(header(response, "Cross-Origin-Opener-Policy"), "same-origin");
  EXPECT_EQ(header(response, "Cross-Origin-Resource-Policy"), "same-origin");
}

TEST(SecurityHeaders, LeaveWhatAnAnswerSaysItself) {
  HttpResponse response;
  response.headers = {{"content-security-policy", "sandbox"}};
  make_sendable(response);
  EXPECT_EQ(header(response, "content-security-policy"), "sandbox");
  EXPECT_EQ(header(response, "Content-Security-Policy"), "") << "not twice";
}

}  // namespace
}  // namespace imgrec::manager
