#include "manager/http/http_message.h"

#include <gtest/gtest.h>

#include "manager/http/http_text.h"

namespace imgrec::manager {
namespace {

TEST(HttpRequest, FindsHeadersByLowerCaseName) {
  HttpRequest request;
  request.headers = {{"host", "a"}, {"accept", "x"}, {"accept", "y"}};
  EXPECT_EQ(request.header("accept"), "x");
  EXPECT_EQ(request.header("etag"), "");
}

TEST(HttpRequest, DecodesQueryParameters) {
  HttpRequest request;
  request.query = "a=1&name=caf%C3%A9+au+lait&flag&a=2&bad=%zz&%6bey=v&=empty&e=";
  EXPECT_EQ(request.query_value("a"), "1");
  EXPECT_EQ(request.query_value("name"), "caf\xc3\xa9 au lait");
  EXPECT_EQ(request.query_value("key"), "v");
  EXPECT_EQ(request.query_value("bad"), "");
  EXPECT_TRUE(request.has_query("flag"));
  EXPECT_TRUE(request.has_query("e"));
  EXPECT_FALSE(request.has_query("nam"));
}

TEST(HttpRequest, FindsCookiesAmongOthersThatAreMalformed) {
  HttpRequest request;
  request.headers = {{"cookie", "lonely; xsession=1; session=abc=; quoted=\"q\""},
                     {"cookie", "second=2"}};
  EXPECT_EQ(request.cookie("session"), "abc=");
  EXPECT_EQ(request.cookie("quoted"), "q");
  EXPECT_EQ(request.cookie("second"), "2");
  EXPECT_EQ(request.cookie("lonely"), "");
  EXPECT_EQ(request.cookie("none"), "");
}

TEST(PercentDecode, RefusesIncompleteSequences) {
  EXPECT_EQ(percent_decode("a%41%2f+", PlusSign::kLiteral), "aA/+");
  EXPECT_EQ(percent_decode("a+b", PlusSign::kSpace), "a b");
  EXPECT_FALSE(percent_decode("%", PlusSign::kLiteral));
  EXPECT_FALSE(percent_decode("%4", PlusSign::kLiteral));
  EXPECT_FALSE(percent_decode("%4g", PlusSign::kLiteral));
  EXPECT_FALSE(percent_decode("%-1", PlusSign::kLiteral));
}

TEST(Utf8, RefusesOverlongSurrogateAndTruncatedForms) {
  EXPECT_TRUE(is_valid_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (const std::string bad : {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                "\xf8\x88", "\xc3", "\xe2\x82", "\x80", "\xff"}) {
    EXPECT_FALSE(is_valid_utf8(bad)) << testing::PrintToString(bad);
  }
}

TEST(Utf8, PrefixEndsBetweenCharacters) {
  const std::string text = "ab\xe2\x82\xac";  // the euro sign takes three bytes
  EXPECT_EQ(utf8_prefix(text, 5), text);
  EXPECT_EQ(utf8_prefix(text, 4), "ab");
  EXPECT_EQ(utf8_prefix(text, 3), "ab");
  EXPECT_EQ(utf8_prefix(text, 1), "a");
}

TEST(JsonQuote, EscapesAndReplacesWhatIsNoUtf8) {
  EXPECT_EQ(json_quote("a\"b\\c\n\x01\x7f"), "\"a\\\"b\\\\c\\u000a\\u0001\\u007f\"");
  EXPECT_EQ(json_quote("\xff\xc3\xa9"), "\"\xef\xbf\xbd\xc3\xa9\"");
}

}  // namespace
}  // namespace imgrec::manager
