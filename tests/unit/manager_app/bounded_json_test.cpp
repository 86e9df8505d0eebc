#include "manager/app/bounded_json.h"

#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace imgrec::manager {
namespace {

using ::testing::HasSubstr;

Result<nlohmann::json> parse(std::string_view text, JsonLimits limits = {}) {
  return parse_bounded_json(text, limits);
}

TEST(BoundedJson, ReadsEveryKindOfValue) {
  const char* const text =
      R"({"a":[1,-2,2.5,true,null,"x\u00e9"],"b":{"c":{}},"d":[],"e":18446744073709551615})";
  const auto read = parse(text);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read, nlohmann::json::parse(text));
  EXPECT_EQ(*parse("3"), 3);
}

TEST(BoundedJson, SaysWhereItIsMalformed) {
  for (const char* text : {"", "{", "[1,]", "{\"a\":}", "nul", "[1] 2", "\"\xff\"", "\"a\nb\"",
                           "1e999", "{\"a\":1,}", "'a'", "[1}", "]"}) {
    const auto read = parse(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.status().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(read.status().message(), HasSubstr("at byte ")) << text;
  }
}

TEST(BoundedJson, RefusesANameThatStandsTwice) {
  EXPECT_THAT(parse(R"({"a":1,"b":2,"a":1})").status().message(), HasSubstr("twice"));
  EXPECT_TRUE(parse(R"([{"a":1},{"a":1}])").ok());
}

TEST(BoundedJson, EndsAtItsLimits) {
  const JsonLimits limits{.max_depth = 3, .max_values = 6};
  EXPECT_TRUE(parse("[[[1]],2,3]", limits).ok()) << "three deep, six values";
  EXPECT_EQ(parse("[[[[]]]]", limits).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(parse("[1,2,3,4,5,6]", limits).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(parse(std::string(1'000'000, '['), {}).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(parse("{\"a\":" + std::string(1'000'000, '['), {}).status().code(),
            StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace imgrec::manager
