#include "manager/http/byte_range.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

const std::string kTag = "\"abc\"";

std::string header_of(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

HttpResponse ask(Headers headers, std::string method = "GET") {
  HttpRequest request;
  request.method = std::move(method);
  request.headers = std::move(headers);
  HttpResponse response;
  response.content_type = "image/png";
  response.body = std::make_shared<const std::string>("0123456789");
  answer_conditions(request, kTag, response);
  return response;
}

struct RangeCase {
  const char* range;
  int status;
  const char* body;
  const char* content_range;
};

class ByteRange : public ::testing::TestWithParam<RangeCase> {};

TEST_P(ByteRange, AnswersOneRange) {
  const RangeCase& c = GetParam();
  const HttpResponse response = ask({{"range", c.range}});
  EXPECT_EQ(response.status, c.status);
  EXPECT_EQ(response.body ? *response.body : "", c.body);
  EXPECT_EQ(header_of(response, "Content-Range"), c.content_range);
  EXPECT_EQ(header_of(response, "Accept-Ranges"), "bytes");
  EXPECT_EQ(header_of(response, "ETag"), kTag);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ByteRange,
    ::testing::Values(
        RangeCase{"bytes=0-3", 206, "0123", "bytes 0-3/10"},
        RangeCase{"bytes=4-4", 206, "4", "bytes 4-4/10"},
        RangeCase{"bytes=7-", 206, "789", "bytes 7-9/10"},
        RangeCase{"bytes=0-99999999999999999999999", 206, "0123456789", "bytes 0-9/10"},
        RangeCase{"bytes=-3", 206, "789", "bytes 7-9/10"},
        RangeCase{"bytes=-99", 206, "0123456789", "bytes 0-9/10"},
        RangeCase{"BYTES=1-2", 206, "12", "bytes 1-2/10"},
        RangeCase{"bytes=10-", 416, "", "bytes */10"},
        RangeCase{"bytes=10-12", 416, "", "bytes */10"},
        RangeCase{"bytes=99999999999999999999999-", 416, "", "bytes */10"},
        RangeCase{"bytes=-0", 416, "", "bytes */10"},
        // What is malformed, or more than one range, is no range.
        RangeCase{"bytes=3-1", 200, "0123456789", ""},
        RangeCase{"bytes=0-1,4-5", 200, "0123456789", ""},
        RangeCase{"bytes=-", 200, "0123456789", ""}, RangeCase{"bytes=a-b", 200, "0123456789", ""},
        RangeCase{"bytes=1-2x", 200, "0123456789", ""},
        RangeCase{"bytes=+1-2", 200, "0123456789", ""},
        RangeCase{"bytes=--2", 200, "0123456789", ""}, RangeCase{"bytes", 200, "0123456789", ""},
        RangeCase{"lines=0-3", 200, "0123456789", ""}));

TEST(ByteRangeConditions, WhatTheClientHasIsNotSentAgain) {
  for (const char* tags : {"\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"}) {
    const HttpResponse response = ask({{"if-none-match", tags}, {"range", "bytes=0-1"}});
    EXPECT_EQ(response.status, 304) << tags;
    EXPECT_EQ(response.body, nullptr);
  }
  EXPECT_EQ(ask({{"if-none-match", "\"abcd\""}}).status, 200);
  EXPECT_EQ(ask({{"if-none-match", "abc"}}).status, 200);
}

TEST(ByteRangeConditions, ARangeOfAnotherVersionIsTheWhole) {
  EXPECT_EQ(ask({{"range", "bytes=0-1"}, {"if-range", "\"abc\""}}).status, 206);
  EXPECT_EQ(ask({{"range", "bytes=0-1"}, {"if-range", "\"old\""}}).status, 200);
  EXPECT_EQ(ask({{"range", "bytes=0-1"}, {"if-range", "W/\"abc\""}}).status, 200);
  EXPECT_EQ(ask({{"range", "bytes=0-1"}, {"if-range", "Wed, 21 Oct 2015 07:28:00 GMT"}}).status,
            200);
}

TEST(ByteRangeConditions, OnlyGetHasRanges) {
  EXPECT_EQ(ask({{"range", "bytes=0-1"}}, "HEAD").status, 200);
}

}  // namespace
}  // namespace imgrec::manager
