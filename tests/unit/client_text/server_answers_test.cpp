#include "client/text/server_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::client {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::string_view kDone =
    R"({"id":"0f","state":"done","top":[{"index":3,"label":"a\u001b cat","score":0.5},)"
    R"({"index":-1,"label":7,"score":"x"},null],"unsure":true,"timing_ms":{"total":84.5},)"
    R"("error":null,"extra":{"kept":"\u00e9"}})";

HttpAnswer answer(int status, std::string_view body, std::string retry_after = {}) {
  return {status, std::move(retry_after), std::string(body)};
}
std::string accepted(std::string_view image) {
  return R"({"images":[)" + std::string(image) + R"(],"rejected":[]})";
}
Failure upload_failure(int status, std::string_view body, std::string retry_after = {}) {
  auto read = read_upload_answer(answer(status, body, std::move(retry_after)), 0);
  if (auto* failure = std::get_if<Failure>(&read)) return *failure;
  ADD_FAILURE() << "it was taken for an image: " << body;
  return {};
}

TEST(UploadAnswer, IsAnImage) {
  const auto read = read_upload_answer(answer(202, accepted(kDone)), 0);
  const auto* image = std::get_if<ServerImage>(&read);
  ASSERT_NE(image, nullptr);
  EXPECT_EQ(image->id.text, "0f");
  EXPECT_EQ(image->state, ImageState::kDone);
  ASSERT_EQ(image->top.size(), 2u);
  EXPECT_EQ(image->top[0].index, 3u);
  EXPECT_EQ(image->top[0].label, "a\xEF\xBF\xBD cat");
  EXPECT_EQ(image->top[1].score, 0);
  EXPECT_TRUE(image->unsure);
  EXPECT_EQ(image->total_ms, 84.5);
  EXPECT_THAT(image->json, HasSubstr(R"("extra":{"kept":"\u00e9"})"));
}

TEST(UploadAnswer, OfARejectedFileNamesItsOwnReason) {
  const Failure failure =
      upload_failure(415, R"({"status":415,"code":"other","detail":"x","rejected":[{"name":"a",)"
                          R"("error":{"code":"not_an_image","detail":"a text"}}]})");
  EXPECT_EQ(failure.kind, FailureKind::kRejected);
  EXPECT_EQ(failure.code, "not_an_image");
  EXPECT_EQ(failure.detail, "a text");
  const Failure with_202 = upload_failure(
      202, R"({"images":[],"rejected":[{"error":{"code":"empty_file","detail":"empty"}}]})");
  EXPECT_EQ(with_202.kind, FailureKind::kRejected);
  EXPECT_EQ(with_202.code, "empty_file");
}

TEST(UploadAnswer, StatusCodesSayWhatToDo) {
  const std::string about_file = R"({"rejected":[{"error":{"code":"c","detail":"d"}}]})";
  for (int status : {413, 415, 422}) {
    EXPECT_EQ(upload_failure(status, "").kind, FailureKind::kRejected) << status;
  }
  for (int status : {429, 502, 503, 504, 507}) {
    EXPECT_EQ(upload_failure(status, "").kind, FailureKind::kBusy) << status;
  }
  for (int status : {408, 409, 500, 501, 599}) {
    EXPECT_EQ(upload_failure(status, "").kind, FailureKind::kServer) << status;
  }
  for (int status : {101, 301, 400, 401, 403, 404, 405, 421}) {
    EXPECT_EQ(upload_failure(status, "").kind, FailureKind::kRefused) << status;
  }
  EXPECT_EQ(upload_failure(400, about_file).kind, FailureKind::kRejected);
  EXPECT_THAT(upload_failure(401, R"({"detail":"no token"})").detail, HasSubstr("IMGREC_TOKEN"));
  EXPECT_EQ(upload_failure(418, "<html>").code, "http_418");
}

TEST(UploadAnswer, OfNoImgrecServerIsRefused) {
  for (const char* body :
       {"", "<html>", "[]", "{}", R"({"images":[]})", R"({"images":[7]})", R"({"images":{}})",
        R"({"images":[{"id":"../x","state":"done"}]})", R"({"images":[{"id":"a","state":"odd"}]})",
        R"({"images":[{"id":"a","state":"done","top":[]}]})",
        R"({"images":[{"state":"queued"}]})"}) {
    EXPECT_EQ(upload_failure(200, body).code, "bad_answer") << body;
  }
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(upload_failure(202, deep).code, "bad_answer");
  EXPECT_EQ(upload_failure(202, accepted(R"({"id":")" + std::string(65, 'a') + "\"}")).code,
            "bad_answer");
}

// Brackets in texts count for nothing, neither way.
TEST(UploadAnswer, WhatIsTooDeepIsLeftOutOfIt) {
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  for (const std::string name : {R"(}]}]}]}]}]}]}]}])", R"({[{[{[{[{[{[)", R"(\"[{\"}]\\)"}) {
    const std::string sent = R"({"id":"a","state":"queued","name":")" + name + R"(","x":)" + deep;
    const auto read = read_upload_answer(answer(202, accepted(sent + "}")), 0);
    const auto* image = std::get_if<ServerImage>(&read);
    ASSERT_NE(image, nullptr) << name;
    EXPECT_LT(image->json.size(), 200u);
    EXPECT_THAT(image->json, HasSubstr(name));
  }
}

TEST(UploadAnswer, OfAnEarlierTryWhoseImageIsGoneConcernsThatFileAlone) {
  const Failure failure = upload_failure(202, accepted(""));
  EXPECT_EQ(failure.kind, FailureKind::kGone);
  EXPECT_EQ(failure.code, "deleted");
  EXPECT_THAT(failure.detail, HasSubstr("deleted it at the server"));
}

TEST(UploadAnswer, LongTextsAreCut) {
  const std::string detail(100'000, 'x');
  EXPECT_LE(upload_failure(503, R"({"detail":")" + detail + "\"}").detail.size(), 600u);
}

TEST(PageAnswer, SkipsWhatIsNoImage) {
  const auto read = read_page_answer(
      answer(200, R"({"images":[)" + std::string(kDone) + R"(,{"id":"x"}],"next_cursor":"a/b"})"),
      0);
  const auto* page = std::get_if<ImagePage>(&read);
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(page->images.size(), 1u);
  EXPECT_EQ(page->next, "a/b");
  const auto last = read_page_answer(answer(200, R"({"images":[],"next_cursor":null})"), 0);
  EXPECT_EQ(std::get<ImagePage>(last).next, "");
  EXPECT_TRUE(std::holds_alternative<Failure>(read_page_answer(answer(200, "{}"), 0)));
  EXPECT_EQ(std::get<Failure>(read_page_answer(answer(503, "", "7"), 0)).retry_after, 7s);
}

TEST(ImageAnswer, OfNoSuchImageIsGone) {
  EXPECT_TRUE(std::holds_alternative<ServerImage>(read_image_answer(answer(200, kDone), 0)));
  const auto gone = read_image_answer(answer(404, R"({"code":"no_such_image"})"), 0);
  EXPECT_EQ(std::get<Failure>(gone).kind, FailureKind::kGone);
  EXPECT_EQ(read_delete_answer(answer(404, ""), 0)->kind, FailureKind::kGone);
  EXPECT_EQ(read_delete_answer(answer(204, ""), 0), std::nullopt);
  EXPECT_EQ(read_delete_answer(answer(429, ""), 0)->kind, FailureKind::kBusy);
}

TEST(RefusedUpgrade, IsFinalOnlyWhereItIsAboutUs) {
  for (int status : {401, 403, 421}) {
    EXPECT_EQ(read_refused_upgrade(answer(status, ""), 0).kind, FailureKind::kRefused) << status;
  }
  for (int status : {200, 400, 404, 405, 413, 426, 500}) {
    EXPECT_EQ(read_refused_upgrade(answer(status, ""), 0).kind, FailureKind::kServer) << status;
  }
  EXPECT_EQ(read_refused_upgrade(answer(503, "", "3"), 0).retry_after, 3s);
}

TEST(SocketMessage, KnowsItsKinds) {
  const auto hello = read_socket_message(R"({"type":"hello","seq":7,"model":null})");
  ASSERT_TRUE(hello);
  EXPECT_EQ(std::get<SocketOpened>(*hello).seq, 7u);
  const auto image =
      read_socket_message(R"({"type":"image","seq":9,"image":)" + std::string(kDone) + "}");
  ASSERT_TRUE(image);
  EXPECT_EQ(std::get<SocketResult>(*image).seq, 9u);
  EXPECT_EQ(std::get<SocketResult>(*image).image.id.text, "0f");
  EXPECT_EQ(std::get<SocketHint>(*read_socket_message(R"({"type":"state","id":"a"})")).id.text,
            "a");
  EXPECT_EQ(std::get<SocketDeleted>(*read_socket_message(R"({"type":"deleted","id":"a"})")).id.text,
            "a");
}

TEST(SocketMessage, OfAnotherKindIsNothing) {
  for (const char* text :
       {"", "7", "[]", "{}", R"({"type":7})", R"({"type":"cluster","cluster":{}})",
        R"({"type":"image","seq":1})", R"({"type":"state"})", R"({"type":"state","id":"a/b"})",
        R"({"type":"deleted","id":7})"}) {
    EXPECT_FALSE(read_socket_message(text)) << text;
  }
  EXPECT_EQ(std::get<SocketOpened>(*read_socket_message(R"({"type":"hello","seq":-1})")).seq, 0u);
}

TEST(RetryAfter, IsSecondsOrADate) {
  EXPECT_EQ(parse_retry_after("0", 0), 0s);
  EXPECT_EQ(parse_retry_after("120", 0), 120s);
  EXPECT_EQ(parse_retry_after("-5", 0), 0s);
  EXPECT_EQ(parse_retry_after("99999999999", 0), 365 * 24h);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 60), 60s);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 + 60), 0s);
  for (const char* text :
       {"", "soon", "1.5", "10 s", "Sun, 06 Foo 1994 08:49:37 GMT", "99999999999999999999999"}) {
    EXPECT_EQ(parse_retry_after(text, 0), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace imgrec::client
