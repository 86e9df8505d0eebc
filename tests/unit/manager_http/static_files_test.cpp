#include "manager/http/static_files.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace imgrec::manager {
namespace {

namespace fs = std::filesystem;

class StaticFilesTest : public testing::Test {
 protected:
  StaticFilesTest() {
    std::string name = (fs::temp_directory_path() / "imgrec-static-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~StaticFilesTest() override { fs::remove_all(directory_); }

  void write(const std::string& path, std::string_view content) {
    fs::create_directories((directory_ / path).parent_path());
    std::ofstream(directory_ / path, std::ios::binary) << content;
  }
  StaticFiles load() {
    auto files = StaticFiles::load(directory_);
    EXPECT_TRUE(files.ok()) << files.status().to_string();
    return files.ok() ? *std::move(files) : StaticFiles();
  }
  static std::optional<HttpResponse> get(const StaticFiles& files, std::string path,
                                         Headers headers = {}, std::string method = "GET") {
    HttpRequest request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.headers = std::move(headers);
    return files.respond(request);
  }
  static std::string header(const HttpResponse& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return {};
  }

  fs::path directory_;
};

TEST_F(StaticFilesTest, ServesFilesByExactPath) {
  write("index.html", "<p>");
  write("about.html", "about");
  write("js/main.js", "js");
  const StaticFiles files = load();
  EXPECT_EQ(*get(files, "/")->body, "<p>");
  EXPECT_EQ(*get(files, "/index.html")->body, "<p>");
  EXPECT_EQ(*get(files, "/about")->body, "about");
  EXPECT_EQ(*get(files, "/js/main.js")->body, "js");
  EXPECT_EQ(get(files, "/")->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(get(files, "/js/main.js")->content_type, "text/javascript; charset=utf-8");
  for (const char* path : {"/js", "/js/", "/js/../index.html", "//index.html", "/Index.html", ""}) {
    EXPECT_FALSE(get(files, path)) << path;
  }
}

TEST_F(StaticFilesTest, AnswersNotModifiedWhereTheTagMatches) {
  write("index.html", "one");
  const StaticFiles files = load();
  const std::string etag = header(*get(files, "/"), "ETag");
  ASSERT_GT(etag.size(), 10u);
  for (const std::string& condition : {etag, "W/" + etag, "\"x\", " + etag, std::string("*")}) {
    const auto response = get(files, "/", {{"if-none-match", condition}});
    EXPECT_EQ(response->status, 304) << condition;
    EXPECT_EQ(response->body, nullptr);
    EXPECT_EQ(header(*response, "ETag"), etag);
  }
  EXPECT_EQ(get(files, "/", {{"if-none-match", "\"other\""}})->status, 200);
}

TEST_F(StaticFilesTest, ChangesTheTagWithTheContent) {
  write("index.html", "one");
  const std::string before = header(*get(load(), "/"), "ETag");
  write("index.html", "two");
  EXPECT_NE(header(*get(load(), "/"), "ETag"), before);
}

TEST_F(StaticFilesTest, SendsTextCompressedToWhoeverTakesIt) {
  const std::string text(5000, 'x');
  write("js/main.js", text);
  const StaticFiles files = load();
  const auto plain = get(files, "/js/main.js");
  const auto packed = get(files, "/js/main.js", {{"accept-encoding", "br, gzip"}});
  EXPECT_EQ(*plain->body, text);
  EXPECT_EQ(header(*plain, "Content-Encoding"), "");
  EXPECT_EQ(header(*packed, "Content-Encoding"), "gzip");
  EXPECT_EQ(packed->content_type, "text/javascript; charset=utf-8");
  EXPECT_LT(packed->body->size(), 100u);
  for (const auto* response : {&*plain, &*packed}) {
    EXPECT_EQ(header(*response, "Vary"), "Accept-Encoding");
  }
  const auto unwanted = get(files, "/js/main.js", {{"accept-encoding", "gzip;q=0, *"}});
  EXPECT_EQ(*unwanted->body, text);
}

TEST_F(StaticFilesTest, GivesEachEncodingItsOwnTag) {
  write("index.html", std::string(5000, 'x'));
  const StaticFiles files = load();
  const std::pair<std::string, std::string> takes_gzip{"accept-encoding", "gzip"};
  const std::string plain = header(*get(files, "/"), "ETag");
  const std::string packed = header(*get(files, "/", {takes_gzip}), "ETag");
  EXPECT_NE(plain, packed);
  EXPECT_EQ(get(files, "/", {{"if-none-match", plain}})->status, 304);
  EXPECT_EQ(get(files, "/", {{"if-none-match", packed}})->status, 200);
  EXPECT_EQ(get(files, "/", {takes_gzip, {"if-none-match", plain}})->status, 200);
  const auto unchanged = get(files, "/", {takes_gzip, {"if-none-match", packed}});
  EXPECT_EQ(unchanged->status, 304);
  EXPECT_EQ(header(*unchanged, "ETag"), packed);
  EXPECT_EQ(header(*unchanged, "Vary"), "Accept-Encoding");
  EXPECT_EQ(header(*unchanged, "Content-Encoding"), "");
}

TEST_F(StaticFilesTest, LeavesAloneWhatWouldNotShrink) {
  write("photo.jpg", std::string(5000, 'x'));
  write("tiny.txt", "x");
  const StaticFiles files = load();
  for (const char* path : {"/photo.jpg", "/tiny.txt"}) {
    const auto response = get(files, path, {{"accept-encoding", "gzip"}});
    EXPECT_EQ(header(*response, "Content-Encoding"), "") << path;
    EXPECT_EQ(header(*response, "Vary"), "") << path;
  }
}

TEST_F(StaticFilesTest, ServesAFileFromElsewhere) {
  write("site/index.html", "");
  write("library/chart.min.js", "chart");
  fs::create_symlink(directory_ / "library/chart.min.js", directory_ / "library/link.js");
  auto files = StaticFiles::load(directory_ / "site");
  ASSERT_TRUE(files.ok());
  EXPECT_TRUE(files->add("/vendor/chart.js", directory_ / "library/link.js").ok());
  EXPECT_EQ(*get(*files, "/vendor/chart.js")->body, "chart");
  EXPECT_EQ(get(*files, "/vendor/chart.js")->content_type, "text/javascript; charset=utf-8");
  const Status missing = files->add("/vendor/none.js", directory_ / "none.js");
  EXPECT_EQ(missing.code(), StatusCode::kUnavailable);
  EXPECT_FALSE(get(*files, "/vendor/none.js"));
}

TEST_F(StaticFilesTest, RefusesOtherMethods) {
  write("index.html", "");
  const StaticFiles files = load();
  const auto response = get(files, "/", {}, "POST");
  EXPECT_EQ(response->status, 405);
  EXPECT_EQ(header(*response, "Allow"), "GET, HEAD");
  EXPECT_EQ(get(files, "/", {}, "HEAD")->status, 200);
}

TEST_F(StaticFilesTest, LeavesOutHiddenFilesAndLinks) {
  write("index.html", "");
  write(".secret", "");
  write(".git/config", "");
  fs::create_symlink("/etc/hostname", directory_ / "link.txt");
  EXPECT_EQ(load().size(), 1u);
}

TEST_F(StaticFilesTest, RefusesTooManyAndTooLargeFiles) {
  EXPECT_EQ(StaticFiles::load(directory_ / "missing").status().code(), StatusCode::kNotFound);
  write("large.bin", std::string(StaticFiles::kMaxFileBytes + 1, 'x'));
  EXPECT_EQ(StaticFiles::load(directory_).status().code(), StatusCode::kResourceExhausted);
  fs::remove(directory_ / "large.bin");
  for (std::size_t i = 0; i <= StaticFiles::kMaxFiles; ++i) write(std::to_string(i), "");
  EXPECT_EQ(StaticFiles::load(directory_).status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace imgrec::manager
