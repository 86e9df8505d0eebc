#include "training/data/photo_folders.h"

#include <fstream>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class PhotoFoldersTest : public ::testing::Test {
 protected:
  PhotoFoldersTest() {
    std::string pattern = (fs::temp_directory_path() / "imgrec-folders-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    dir_ = pattern;
  }
  ~PhotoFoldersTest() override { fs::remove_all(dir_); }

  void picture(const std::string& name, const cv::Scalar& bgr, int width = 40, int height = 20) {
    fs::create_directories((dir_ / name).parent_path());
    cv::imwrite((dir_ / name).string(), cv::Mat(height, width, CV_8UC3, bgr));
  }
  void text(const std::string& name) {
    fs::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name) << "no picture";
  }
  Result<FolderPhotos> read(FolderOptions options = {}) {
    return read_photo_folders(dir_, options, [this](std::size_t done, std::size_t all) {
      told_.emplace_back(done, all);
    });
  }

  fs::path dir_;
  std::vector<std::pair<std::size_t, std::size_t>> told_;
};

TEST_F(PhotoFoldersTest, AFolderIsAClassAndPicturesAreSquashed) {
  picture("dog/b.png", {0, 0, 255});
  picture("cat/a.png", {255, 0, 0}, 7, 90);
  picture("cat/deeper/c.png", {0, 255, 0});
  const auto found = read({.size = 8});
  ASSERT_TRUE(found.ok()) << found.status().message();
  const Photos& photos = found->photos;
  EXPECT_THAT(photos.classes, ElementsAre("cat", "dog"));
  EXPECT_THAT(photos.labels, ElementsAre(0, 0, 1));
  ASSERT_EQ(photos.pixels.size(), 3u * 8 * 8 * 3);
  EXPECT_THAT(std::vector<int>(photos.picture(0), photos.picture(0) + 3), ElementsAre(0, 0, 255))
      << "red, green, blue";
  EXPECT_THAT(std::vector<int>(photos.picture(2), photos.picture(2) + 3), ElementsAre(255, 0, 0));
  EXPECT_EQ(told_.back(), (std::pair<std::size_t, std::size_t>{3, 3}));
}

TEST_F(PhotoFoldersTest, LeavesOutWhatIsNoPictureAndSaysWhy) {
  picture("cat/a.png", {1, 2, 3});
  picture("dog/a.png", {1, 2, 3});
  text("cat/notes.txt");
  text("cat/.hidden");
  const auto found = read();
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->photos.count(), 2u);
  ASSERT_EQ(found->left_out.size(), 1u);
  EXPECT_THAT(found->left_out[0], HasSubstr("cat/notes.txt: "));
}

TEST_F(PhotoFoldersTest, TakesTheClassesThatAreNamedInTheirOrder) {
  for (const char* name : {"a/1.png", "b/1.png", "c/1.png"}) picture(name, {1, 2, 3});
  const auto found = read({.classes = {"c", "a"}});
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(found->photos.classes, ElementsAre("c", "a"));
  const auto missing = read({.classes = {"a", "zebra"}});
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr("zebra"));
}

TEST_F(PhotoFoldersTest, SaysWhatIsWrongWithTheFolders) {
  EXPECT_EQ(read_photo_folders(dir_ / "none", {}, [](auto, auto) {}).status().code(),
            StatusCode::kNotFound);
  picture("cat/a.png", {1, 2, 3});
  EXPECT_THAT(read().status().message(), HasSubstr("fewer than two folders"));
  text("dog/notes.txt");
  EXPECT_THAT(read().status().message(),
              HasSubstr((dir_ / "dog").string() + " has no picture in it: dog/notes.txt: "));
  for (const char* name : {"dog/1", "dog/2", "dog/3", "dogs/4"}) text(name);
  const Status none = read().status();
  EXPECT_THAT(none.message(), HasSubstr("; and others"));
  EXPECT_THAT(none.message(), Not(HasSubstr("dogs"))) << "which is another class";
}

TEST_F(PhotoFoldersTest, LeavesOutLinksAndWhatCannotBeReadAndSaysWhy) {
  for (const char* name : {"cat/a.png", "dog/a.png", "dog/.thumbnails/a.png"}) {
    picture(name, {1, 2, 3});
  }
  fs::create_symlink("nowhere", dir_ / "cat" / "dangling.png");
  fs::create_symlink("itself", dir_ / "itself");
  fs::create_symlink("/proc/self/mem", dir_ / "dog" / "unreadable.png");
  const auto found = read();
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_THAT(found->photos.classes, ElementsAre("cat", "dog"));
  EXPECT_EQ(found->photos.count(), 2u);
  ASSERT_EQ(found->left_out.size(), 3u);
  EXPECT_EQ(found->left_out[0], "itself: a link that leads to no folder");
  EXPECT_EQ(found->left_out[1], "cat/dangling.png: a link that leads to no file");
  EXPECT_THAT(found->left_out[2], HasSubstr("dog/unreadable.png: "));
  EXPECT_THAT(found->left_out[2], Not(HasSubstr("empty")));
}

TEST_F(PhotoFoldersTest, TakesNoFolderWhoseNameCanBeNoLabel) {
  picture("cat/a.png", {1, 2, 3});
  for (const char* name : {"two\nlines", "latin \xfc", "tab\t", "return\r"}) {
    picture(std::string(name) + "/a.png", {1, 2, 3});
    EXPECT_THAT(read().status().message(), HasSubstr("cannot be a class")) << name;
    fs::remove_all(dir_ / name);
  }
  picture("\xc3\xbc \xe2\x9c\x93/a.png", {1, 2, 3});
  EXPECT_TRUE(read().ok());
}

TEST_F(PhotoFoldersTest, RefusesMoreThanFitsInMemoryBeforeReadingIt) {
  picture("cat/a.png", {1, 2, 3});
  picture("dog/a.png", {1, 2, 3});
  const auto refused = read({.size = 512, .max_bytes = 1 << 20});
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), HasSubstr("--size"));
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace imgrec::training
