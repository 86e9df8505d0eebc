#include "manager/http/multipart.h"

#include <string>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

const std::string kType = "multipart/form-data; boundary=XyZ";

std::string part(std::string_view disposition, std::string_view data,
                 std::string_view more_headers = "") {
  return "--XyZ\r\nContent-Disposition: form-data; " + std::string(disposition) + "\r\n" +
         std::string(more_headers) + "\r\n" + std::string(data) + "\r\n";
}

std::string form(const std::string& parts) { return parts + "--XyZ--\r\n"; }

std::vector<MultipartPart> parse(const std::string& body) {
  auto result = parse_multipart(kType, body);
  EXPECT_TRUE(result.ok()) << result.status().to_string();
  return result.ok() ? *result : std::vector<MultipartPart>{};
}

std::string file_name(std::string_view parameter) {
  const std::string body = form(part("name=\"f\"; " + std::string(parameter), "x"));
  const auto parts = parse(body);
  return parts.size() == 1 ? parts[0].file_name : "(no part)";
}

Status error(const std::string& type, const std::string& body) {
  return parse_multipart(type, body).status();
}

TEST(Multipart, ReadsWhatCurlSends) {
  const std::string type = "multipart/form-data; boundary=------------------------d74496d66958873e";
  const std::string body =
      "--------------------------d74496d66958873e\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename=\"cat.jpg\"\r\n"
      "Content-Type: image/jpeg\r\n\r\n"
      "\xff\xd8\r\n--\r\n\xff\xd9\r\n"
      "--------------------------d74496d66958873e\r\n"
      "Content-Disposition: form-data; name=\"note\"\r\n\r\n"
      "two\r\nlines\r\n"
      "--------------------------d74496d66958873e--\r\n";
  const auto result = parse_multipart(type, body);
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  ASSERT_EQ(result->size(), 2u);
  EXPECT_EQ((*result)[0].name, "file");
  EXPECT_EQ((*result)[0].file_name, "cat.jpg");
  EXPECT_TRUE((*result)[0].is_file);
  EXPECT_EQ((*result)[0].content_type, "image/jpeg");
  EXPECT_EQ((*result)[0].data, "\xff\xd8\r\n--\r\n\xff\xd9");
  EXPECT_EQ((*result)[1].name, "note");
  EXPECT_FALSE((*result)[1].is_file);
  EXPECT_EQ((*result)[1].data, "two\r\nlines");
}

TEST(Multipart, ReadsWhatBrowsersSend) {
  const std::string type = "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW";
  const std::string body =
      "------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename=\"a %22b%22.png\"\r\n"
      "Content-Type: image/png\r\n\r\n"
      "\x89PNG\r\n"
      "------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename=\"\"\r\n"
      "Content-Type: application/octet-stream\r\n\r\n"
      "\r\n"
      "------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n";
  const auto result = parse_multipart(type, body);
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  ASSERT_EQ(result->size(), 2u);
  EXPECT_EQ((*result)[0].file_name, "a \"b\".png");
  EXPECT_EQ((*result)[0].data, "\x89PNG");
  EXPECT_EQ((*result)[1].file_name, "");
  EXPECT_TRUE((*result)[1].is_file);
  EXPECT_EQ((*result)[1].data, "");
}

TEST(Multipart, AcceptsAnEmptyFileAndAFormWithoutParts) {
  const std::string body = form(part("name=\"f\"; filename=\"e\"", ""));
  const auto parts = parse(body);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].data, "");
  EXPECT_TRUE(parse("--XyZ--").empty());
  EXPECT_TRUE(parse("--XyZ--\r\n").empty());
}

TEST(Multipart, IgnoresPreambleEpilogueAndPadding) {
  const std::string body =
      "preamble\r\n--XyZ \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1"
      "\r\n--XyZ--\r\nepilogue --XyZ\r\n";
  const auto parts = parse(body);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].data, "1");
}

TEST(Multipart, KeepsDataThatLooksLikeTheBoundary) {
  const std::string data = "a--XyZ\r\n\r\n--XyZa\r\n\r\n--Xy\r\n-XyZ--\n--XyZ\r\r\n --XyZ--";
  const std::string body = form(part("name=a", data));
  const auto parts = parse(body);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].data, data);
}

TEST(Multipart, ReadsNamesInEveryStyle) {
  EXPECT_EQ(file_name("filename=plain.jpg"), "plain.jpg");
  EXPECT_EQ(file_name("FileName=\"case.jpg\""), "case.jpg");
  EXPECT_EQ(file_name("filename=\"semi;colon.jpg\""), "semi;colon.jpg");
  EXPECT_EQ(file_name(R"(filename="q\"uo\\te.jpg")"), "te.jpg");  // an escaped '\' is a separator
  EXPECT_EQ(file_name(R"(filename="q\"uote.jpg")"), "q\"uote.jpg");
  EXPECT_EQ(file_name("filename=\"q%22uote%20.jpg\""), "q\"uote%20.jpg");
  EXPECT_EQ(file_name("filename*=UTF-8''na%C3%AFve.jpg"), "na\xc3\xafve.jpg");
  EXPECT_EQ(file_name("filename=\"x.jpg\"; filename*=utf-8'en'%e2%82%ac.jpg"), "\xe2\x82\xac.jpg");
  EXPECT_EQ(file_name("filename=\"x.jpg\"; filename*=KOI8-R''%C3.jpg"), "x.jpg");
}

TEST(Multipart, CleansFileNames) {
  EXPECT_EQ(file_name("filename=\"../../etc/passwd\""), "passwd");
  EXPECT_EQ(file_name(R"(filename="C:\Users\me\photo.jpg")"), "photo.jpg");
  EXPECT_EQ(file_name("filename=\"..\""), "");
  EXPECT_EQ(file_name("filename=\"dir/\""), "");
  EXPECT_EQ(file_name("filename*=UTF-8''a%2Fb%00%0A%7F.jpg"), "b.jpg");
  EXPECT_EQ(file_name("filename=\"a%0D%0Ab\""), "ab");
  EXPECT_EQ(file_name("filename=\"caf\xe9.jpg\""), "caf\xc3\xa9.jpg");  // Latin-1
  EXPECT_EQ(file_name("filename*=UTF-8''a%C2%85b"), "ab");              // C1 control
  EXPECT_EQ(file_name("filename=\"" + std::string(300, 'x') + "\"").size(), 255u);
  std::string euros;
  for (int i = 0; i < 100; ++i) euros += "\xe2\x82\xac";
  EXPECT_EQ(file_name("filename=\"" + euros + "\""), euros.substr(0, 255));
  EXPECT_EQ(file_name("filename=\"" + euros + "y\"").size(), 255u);
}

TEST(Multipart, ExplainsWhatIsWrong) {
  const std::string good = form(part("name=a", "1"));
  EXPECT_EQ(error("image/png", good).message(), "the Content-Type is not multipart/form-data");
  EXPECT_EQ(error("multipart/form-data", good).message(), "the Content-Type names no boundary");
  EXPECT_EQ(error("multipart/form-data; boundary=\"\"", good).message(),
            "the boundary must have 1 to 70 characters");
  EXPECT_EQ(error("multipart/form-data; boundary=" + std::string(71, 'b'), good).message(),
            "the boundary must have 1 to 70 characters");
  EXPECT_EQ(error("multipart/form-data; boundary=other", good).message(),
            "the boundary named in the Content-Type does not occur in the form");
  EXPECT_EQ(error(kType, part("name=a", "1")).message(),
            "the form is cut off: its final boundary is missing");
  EXPECT_EQ(error(kType, form(part("filename=a", "1"))).message(),
            "a part of the form has no name");
  EXPECT_EQ(error(kType, form("--XyZ\r\n\r\n1\r\n")).message(),
            "a part of the form has no Content-Disposition");
  EXPECT_EQ(error(kType, form(part("name=\"a", "1"))).message(),
            "a part's Content-Disposition is malformed");
  EXPECT_EQ(
      error(kType, form(part("name=a", "MQ==", "Content-Transfer-Encoding: base64\r\n"))).message(),
      "a part uses Content-Transfer-Encoding; send its bytes as they are");
  EXPECT_EQ(error(kType, "").code(), StatusCode::kInvalidArgument);
}

TEST(Multipart, BoundsPartsAndHeaders) {
  MultipartLimits limits;
  limits.max_parts = 3;
  limits.max_part_header_bytes = 100;
  std::string parts;
  for (int i = 0; i < 3; ++i) parts += part("name=a", "1");
  EXPECT_TRUE(parse_multipart(kType, form(parts), limits).ok());
  EXPECT_EQ(parse_multipart(kType, form(parts + part("name=a", "1")), limits).status().code(),
            StatusCode::kResourceExhausted);
  const std::string long_name = form(part("name=" + std::string(100, 'n'), "1"));
  EXPECT_EQ(parse_multipart(kType, long_name, limits).status().code(),
            StatusCode::kResourceExhausted);
}

TEST(Multipart, RefusesEveryPrefixThatLacksTheFinalBoundary) {
  const std::string body = form(part("name=\"f\"; filename=\"a\\\"%22.jpg\"; filename*=UTF-8''%41",
                                     "data\r\n--XyZa", "Content-Type: image/png\r\n") +
                                part("name=b", ""));
  const std::size_t complete = body.size() - 2;  // the last CRLF is not needed
  for (std::size_t size = 0; size < complete; ++size) {
    const std::string prefix = body.substr(0, size);
    EXPECT_FALSE(parse_multipart(kType, prefix).ok()) << size;
  }
  EXPECT_TRUE(parse_multipart(kType, body.substr(0, complete)).ok());
}

TEST(Multipart, SurvivesEveryByteChanged) {
  const std::string body = form(part("name=\"f\"; filename=\"a.jpg\"", "data"));
  for (std::size_t at = 0; at < body.size(); ++at) {
    for (const char c : {'\0', '"', ';', '\\', '\r', '\n', '-', '%', '\xff'}) {
      std::string changed = body;
      changed[at] = c;
      const auto result = parse_multipart(kType, changed);
      if (!result.ok()) continue;
      for (const auto& part : *result) {
        EXPECT_GE(part.data.data(), changed.data());
        EXPECT_LE(part.data.data() + part.data.size(), changed.data() + changed.size());
      }
    }
  }
}

}  // namespace
}  // namespace imgrec::manager
