#include "client/app/photo_files.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace imgrec::client {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class PhotoFilesTest : public testing::Test {
 protected:
  PhotoFilesTest() {
    std::string pattern = (fs::temp_directory_path() / "photo-files-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~PhotoFilesTest() override { fs::remove_all(directory_); }

  void write(const std::string& name, const std::string& text = "x") {
    fs::create_directories((directory_ / name).parent_path());
    std::ofstream(directory_ / name) << text;
  }
  std::vector<std::string> names(const std::vector<PhotoFile>& files) {
    std::vector<std::string> found;
    for (const PhotoFile& file : files) {
      found.push_back(fs::path(file.path).lexically_relative(directory_).string());
    }
    return found;
  }
  std::string path(const std::string& name) { return (directory_ / name).string(); }

  fs::path directory_;
};

TEST_F(PhotoFilesTest, ADirectoryIsSearchedForPhotosByName) {
  for (const char* name : {"b.JPG", "a.png", "sub/c.webp", "sub/deep/d.tiff", "notes.txt", "jpg",
                           ".hidden.png", ".git/e.png"}) {
    write(name);
  }
  fs::create_directory_symlink(directory_, directory_ / "loop");
  EXPECT_THAT(names(find_photos({directory_.string()})),
              ElementsAre("a.png", "b.JPG", "sub/c.webp", "sub/deep/d.tiff"));
}

TEST_F(PhotoFilesTest, AFileThatIsNamedIsTakenAsItIs) {
  write("odd.bin", "12345");
  const auto files = find_photos({path("odd.bin"), "-"});
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].bytes, 5u);
  EXPECT_EQ(files[0].problem, "");
  EXPECT_EQ(files[1].path, "-");
}

TEST_F(PhotoFilesTest, WhatCannotBeSentSaysWhy) {
  write("bare/notes.txt");
  const auto files = find_photos({path("nothing.png"), path("bare")});
  ASSERT_EQ(files.size(), 2u);
  EXPECT_THAT(files[0].problem, HasSubstr("no such file"));
  EXPECT_THAT(files[1].problem, HasSubstr("no file with the ending of a photo"));
}

}  // namespace
}  // namespace imgrec::client
