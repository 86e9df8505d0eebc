#include "manager/app/routes.h"

#include <set>
#include <string>

#include <gmock/gmock.h>

namespace imgrec::manager {
namespace {

using ::testing::ElementsAre;

TEST(Routes, FindTheCallAndWhatTheAddressNames) {
  const auto image = match_route("/api/v1/images/0123");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->route->call, Call::kImage);
  EXPECT_THAT(image->segments, ElementsAre("0123"));
  const auto content = match_route("/api/v1/images/0123/content");
  ASSERT_TRUE(content);
  EXPECT_EQ(content->route->call, Call::kContent);
  EXPECT_THAT(content->segments, ElementsAre("0123"));
  const auto infer = match_route("/v2/models/googlenet/versions/1/infer");
  ASSERT_TRUE(infer);
  EXPECT_EQ(infer->route->call, Call::kModelInfer);
  EXPECT_THAT(infer->segments, ElementsAre("googlenet", "1"));
}

TEST(Routes, KnowNothingElse) {
  for (const char* path : {"",
                           "/",
                           "/index.html",
                           "/api",
                           "/api/v1",
                           "/api/v1/",
                           "/api/v1/images/",
                           "/api/v1/images//content",
                           "/api/v1/images/a/",
                           "/api/v1/images/a/content/",
                           "/api/v1/images/a/b",
                           "/API/v1/images",
                           "/api/v1/imagess",
                           "/v2/",
                           "/v2/models",
                           "/v2/models/",
                           "/v2/models/m/versions",
                           "/v2/models/m/versions/1/",
                           "/upload",
                           "/upload/",
                           "//api/v1/images",
                           "/api//v1/images",
                           "api/v1/images"}) {
    EXPECT_FALSE(match_route(path)) << path;
  }
}

TEST(Routes, KnowTheirMethods) {
  const auto images = match_route("/api/v1/images");
  for (const char* method : {"GET", "HEAD", "POST", "OPTIONS"}) EXPECT_TRUE(images->takes(method));
  for (const char* method : {"PUT", "DELETE", "", "GE", "GET, HEAD", "get"}) {
    EXPECT_FALSE(images->takes(method)) << method;
  }
}

TEST(Routes, EveryPatternMatchesItselfAndNoOther) {
  std::set<std::string> seen;
  for (const Route& route : routes()) {
    const auto match = match_route(route.pattern);
    ASSERT_TRUE(match) << route.pattern;
    EXPECT_EQ(match->route, &route) << route.pattern;
    EXPECT_TRUE(match->takes("OPTIONS")) << route.pattern;
    EXPECT_TRUE(seen.emplace(route.pattern).second) << route.pattern;
  }
}

TEST(Routes, WhatChangesOrShowsAnythingIsGuarded) {
  for (const Route& route : routes()) {
    const bool open = route.call == Call::kSession || route.call == Call::kOpenApi ||
                      route.call == Call::kHealth || route.call == Call::kReady ||
                      route.call == Call::kServerLive || route.call == Call::kServerReady;
    EXPECT_EQ(route.guarded, !open) << route.pattern;
  }
}

}  // namespace
}  // namespace imgrec::manager
