#include "training/data/picture_files.h"

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PictureFilesTest : public ::testing::Test {
 protected:
  PictureFilesTest() {
    std::string pattern = (fs::temp_directory_path() / "imgrec-files-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    dir_ = pattern;
  }
  ~PictureFilesTest() override { fs::remove_all(dir_); }

  void file(const std::string& name) {
    fs::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name) << name;
  }
  fs::path dir_;
};

TEST_F(PictureFilesTest, AreFoundAtAnyDepthButNotWhereItIsHidden) {
  for (const char* name : {"b", "a", "deep/er/c", ".hidden", ".thumbnails/d", "deep/.git/e"}) {
    file(name);
  }
  const FoundFiles found = files_below(dir_);
  EXPECT_THAT(found.files, ElementsAre(dir_ / "a", dir_ / "b", dir_ / "deep" / "er" / "c"));
  EXPECT_TRUE(found.left_out.empty());
}

TEST_F(PictureFilesTest, LinksThatLeadToNoFileAreLeftOutAndEndNothing) {
  file("there");
  file("folder/inside");
  fs::create_symlink("there", dir_ / "link to a file");
  fs::create_symlink("nowhere", dir_ / "dangling");
  fs::create_symlink("itself", dir_ / "itself");
  fs::create_symlink("folder", dir_ / "to a folder");
  fs::create_symlink(dir_, dir_ / "folder" / "up");
  ASSERT_EQ(::mkfifo((dir_ / "pipe").c_str(), 0600), 0);
  const FoundFiles found = files_below(dir_);
  EXPECT_THAT(found.files,
              ElementsAre(dir_ / "folder" / "inside", dir_ / "link to a file", dir_ / "there"));
  std::vector<std::string> told;
  for (const LeftOut& each : found.left_out) {
    told.push_back(each.path.lexically_relative(dir_).string() + ": " + each.why);
  }
  EXPECT_THAT(told, ElementsAre("dangling: a link that leads to no file",
                                "folder/up: a link to a folder, which is not followed",
                                "itself: a link that leads to no file", "pipe: no file",
                                "to a folder: a link to a folder, which is not followed"));
  fs::create_directory_symlink(dir_ / "folder", dir_ / "class");
  EXPECT_THAT(files_below(dir_ / "class").files, ElementsAre(dir_ / "class" / "inside"))
      << "the folder itself may be a link";
  EXPECT_EQ(files_below(dir_ / "none").left_out.size(), 1u);
}

TEST_F(PictureFilesTest, SayWhyTheyCannotBeRead) {
  file("a");
  EXPECT_EQ(*read_whole_file(dir_ / "a"), "a");
  std::ofstream(dir_ / "long") << std::string(200'000, 'x');
  EXPECT_EQ(read_whole_file(dir_ / "long")->size(), 200'000u);
  EXPECT_EQ(read_whole_file(dir_ / "none").status().message(), "No such file or directory");
  EXPECT_THAT(read_whole_file("/proc/self/mem").status().message(),
              AnyOf(HasSubstr("Input/output error"), HasSubstr("Permission denied")));
  if (::geteuid() == 0) return;  // who may read everything
  fs::permissions(dir_ / "a", fs::perms::none);
  EXPECT_EQ(read_whole_file(dir_ / "a").status().message(), "Permission denied");
}

}  // namespace
}  // namespace imgrec::training
