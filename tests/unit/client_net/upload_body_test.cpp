#include "client/net/upload_body.h"

#include <array>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace imgrec::client {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class UploadBodyTest : public testing::Test {
 protected:
  UploadBodyTest() {
    std::string pattern = (fs::temp_directory_path() / "upload-body-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~UploadBodyTest() override { fs::remove_all(directory_); }
  std::string path(const std::string& name) { return (directory_ / name).string(); }

  fs::path directory_;
};

TEST_F(UploadBodyTest, ReadsAFileFromAnywhereAsOftenAsNeeded) {
  std::ofstream(path("a")) << "0123456789";
  const auto body = open_file_body(path("a"));
  ASSERT_TRUE(body.ok());
  EXPECT_EQ((*body)->size(), 10u);
  std::array<char, 8> piece{};
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(*(*body)->read(4, piece.data(), piece.size()), 6u);
    EXPECT_EQ(std::string(piece.data(), 6), "456789");
  }
  EXPECT_EQ(*(*body)->read(10, piece.data(), piece.size()), 0u);
}

TEST_F(UploadBodyTest, AFileThatBecomesShorterEndsEarly) {
  std::ofstream(path("a")) << "0123456789";
  const auto body = open_file_body(path("a"));
  ASSERT_TRUE(body.ok());
  fs::resize_file(path("a"), 3);
  std::array<char, 8> piece{};
  EXPECT_EQ(*(*body)->read(0, piece.data(), piece.size()), 3u);
  EXPECT_EQ(*(*body)->read(3, piece.data(), piece.size()), 0u);
}

TEST_F(UploadBodyTest, SaysWhyAFileCannotBeSent) {
  std::ofstream(path("empty"));
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(open_file_body(path("empty")).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(open_file_body(path("nothing")).status().message(), HasSubstr("No such file"));
  EXPECT_THAT(open_file_body(directory_.string()).status().message(), HasSubstr("directory"));
  EXPECT_THAT(open_file_body(path("pipe")).status().message(), HasSubstr("no regular file"));
}

}  // namespace
}  // namespace imgrec::client
