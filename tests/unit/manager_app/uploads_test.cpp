#include "manager/app/uploads.h"

#include <variant>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

// A BMP header that claims width x height; the manager decodes nothing.
std::string bmp(std::uint32_t width, std::uint32_t height) {
  const auto le32 = [](std::uint32_t v) {
    std::string s;
    for (int i = 0; i < 4; ++i) s += static_cast<char>(v >> (8 * i));
    return s;
  };
  return "BM" + le32(58) + le32(0) + le32(54) + le32(40) + le32(width) + le32(height) +
         std::string("\x01\x00\x18\x00", 4) + std::string(24, '\0') + std::string(4, 'x');
}

std::string part(const std::string& field, const std::string& file, const std::string& data) {
  return "--B\r\nContent-Disposition: form-data; name=\"" + field + "\"; filename=\"" + file +
         "\"\r\nContent-Type: image/jpeg\r\n\r\n" + data + "\r\n";
}

HttpRequest multipart(const std::string& parts) {
  HttpRequest request;
  request.method = "POST";
  request.path = "/api/v1/images";
  request.headers = {{"content-type", "multipart/form-data; boundary=B"}};
  request.body = parts + "--B--\r\n";
  return request;
}

HttpRequest raw(std::string body, Headers headers = {}) {
  HttpRequest request;
  request.method = "POST";
  request.headers = std::move(headers);
  request.body = std::move(body);
  return request;
}

const SessionId kSession{std::string(32, 's')};

std::variant<Upload, Refusal> read(HttpRequest request, UploadLimits limits = {}) {
  return read_upload(request, kSession, limits);
}

TEST(Uploads, TakesEveryFilePartWithItsName) {
  const auto result =
      read(multipart(part("file", "a.bmp", bmp(2, 3)) + part("file", "b.bmp", bmp(4, 5))));
  ASSERT_TRUE(std::holds_alternative<Upload>(result));
  const auto& upload = std::get<Upload>(result);
  ASSERT_EQ(upload.images.size(), 2u);
  EXPECT_EQ(upload.images[0].name, "a.bmp");
  EXPECT_EQ(upload.images[1].width, 4u);
  EXPECT_EQ(upload.images[1].media_type, "image/bmp");
  EXPECT_EQ(upload.images[1].session, kSession);
  EXPECT_EQ(*upload.images[0].bytes, bmp(2, 3));
}

TEST(Uploads, RejectsABadFileAmongGoodOnesByName) {
  const auto result = read(multipart(part("file", "good.bmp", bmp(2, 3)) +
                                     part("file", "notes.txt", "hello, I am no picture") +
                                     part("file", "nothing.jpg", "")));
  const auto& upload = std::get<Upload>(result);
  EXPECT_EQ(upload.images.size(), 1u);
  ASSERT_EQ(upload.rejected.size(), 2u);
  EXPECT_EQ(upload.rejected[0].name, "notes.txt");
  EXPECT_EQ(upload.rejected[0].why.code, "not_an_image");
  EXPECT_EQ(upload.rejected[1].why.code, "empty_file");
}

TEST(Uploads, SaysWhichFieldsItFoundWhereNoneIsNamedFile) {
  const auto result = read(multipart(part("photo", "a.bmp", bmp(2, 3))));
  ASSERT_TRUE(std::holds_alternative<Refusal>(result));
  EXPECT_EQ(std::get<Refusal>(result).code, "no_file_part");
  EXPECT_NE(std::get<Refusal>(result).detail.find("'photo'"), std::string::npos);
}

TEST(Uploads, RejectsOversizeByBytesAndByPixels) {
  UploadLimits limits;
  limits.max_image_bytes = 100;
  auto result = read(raw(bmp(2, 3) + std::string(100, 'x')), limits);
  EXPECT_EQ(std::get<Upload>(result).rejected.at(0).why.code, "image_too_large");
  result = read(raw(bmp(12'000, 12'000)));
  EXPECT_EQ(std::get<Upload>(result).rejected.at(0).why.code, "too_many_pixels");
}

TEST(Uploads, RefusesTooManyFilesAsAWhole) {
  UploadLimits limits;
  limits.max_files = 1;
  const auto result =
      read(multipart(part("file", "a.bmp", bmp(2, 3)) + part("file", "b.bmp", bmp(2, 3))), limits);
  ASSERT_TRUE(std::holds_alternative<Refusal>(result));
  EXPECT_EQ(std::get<Refusal>(result).code, "too_many_files");
}

TEST(Uploads, TakesARawBodyWithItsNameFromAHeader) {
  const auto result = read(raw(bmp(2, 3), {{"x-filename", "my%20cat.bmp"}}));
  const auto& upload = std::get<Upload>(result);
  ASSERT_EQ(upload.images.size(), 1u);
  EXPECT_EQ(upload.images[0].name, "my cat.bmp");
}

TEST(Uploads, NamesANamelessPhotoByItsFormat) {
  EXPECT_EQ(std::get<Upload>(read(raw(bmp(2, 3)))).images.at(0).name, "photo.bmp");
}

TEST(Uploads, ReportsBrokenMultipart) {
  HttpRequest request = raw("nothing like a boundary");
  request.headers = {{"content-type", "multipart/form-data; boundary=B"}};
  const auto result = read(std::move(request));
  ASSERT_TRUE(std::holds_alternative<Refusal>(result));
  EXPECT_EQ(std::get<Refusal>(result).code, "malformed_multipart");
}

TEST(Uploads, AFingerprintIsOfNamesAndBytesInOrder) {
  const auto print = [](const std::string& parts) {
    return fingerprint(std::get<Upload>(read(multipart(parts))));
  };
  const std::string a = part("file", "a.bmp", bmp(2, 3));
  const std::string b = part("file", "b.bmp", bmp(4, 5));
  EXPECT_EQ(print(a + b), print(a + b));
  EXPECT_NE(print(a + b), print(b + a));
  EXPECT_NE(print(a), print(part("file", "a2.bmp", bmp(2, 3))));
  EXPECT_NE(print(a), print(part("file", "a.bmp", bmp(2, 4))));
  HttpRequest other_words = multipart(a);
  other_words.headers = {{"content-type", "multipart/form-data; boundary=C"}};
  for (std::size_t at; (at = other_words.body.find("--B")) != std::string::npos;) {
    other_words.body[at + 2] = 'C';
  }
  EXPECT_EQ(fingerprint(std::get<Upload>(read(other_words))), print(a));
}

}  // namespace
}  // namespace imgrec::manager
