#include "training/app/surroundings.h"

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class SurroundingsTest : public ::testing::Test {
 protected:
  SurroundingsTest() {
    std::string pattern = (fs::temp_directory_path() / "imgrec-around-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    dir_ = pattern;
    options_.out = dir_ / "models" / "pets";
    options_.checkpoint = dir_ / "kept" / "pets.checkpoint";
    spec_.name = spec_.source = spec_.licence = "pets";
    spec_.input_width = spec_.input_height = spec_.resize_width = spec_.resize_height = 32;
  }
  ~SurroundingsTest() override { fs::remove_all(dir_); }

  std::string complaint() const { return check_surroundings(options_, spec_).message(); }

  fs::path dir_;
  TrainOptions options_;
  worker::ModelSpec spec_;
};

TEST_F(SurroundingsTest, AreMadeWhereTheyAreMissingAndLeftClean) {
  EXPECT_EQ(complaint(), "");
  EXPECT_TRUE(fs::is_empty(dir_ / "models"));
  EXPECT_TRUE(fs::is_empty(dir_ / "kept"));
  options_.checkpoint = "pets.checkpoint";  // beside whoever asks
  EXPECT_EQ(complaint(), "");
  EXPECT_FALSE(fs::exists("pets.checkpoint.new"));
}

TEST_F(SurroundingsTest, TheOutDirectoryMustBeNewOrAModelFolderToReplace) {
  fs::create_directories(options_.out);
  EXPECT_THAT(complaint(), HasSubstr("exists; give another --out, or --force"));
  options_.force = true;
  EXPECT_EQ(complaint(), "");
  std::ofstream(options_.out / "letters.txt") << "dear";
  EXPECT_THAT(complaint(), HasSubstr("is no model folder"));
  fs::create_directory_symlink(dir_ / "kept", dir_ / "models" / "link");
  options_.out = dir_ / "models" / "link";
  EXPECT_THAT(complaint(), HasSubstr("models/link is a link; name a folder"));
}

TEST_F(SurroundingsTest, BothPlacesMustBeWritable) {
  options_.out = "/proc/pets";
  EXPECT_THAT(complaint(), HasSubstr("cannot make a directory in /proc"));
  options_.out = dir_ / "pets";
  options_.checkpoint = "/proc/pets.checkpoint";
  EXPECT_THAT(complaint(), HasSubstr("cannot write /proc/pets.checkpoint.new: "));
  options_.checkpoint = dir_;
  EXPECT_THAT(complaint(), HasSubstr("is a directory; name a file"));
  std::ofstream(dir_ / "file") << "text";
  options_.checkpoint = dir_ / "file" / "pets.checkpoint";
  EXPECT_THAT(complaint(), HasSubstr("cannot make"));
}

TEST_F(SurroundingsTest, TheNameMustBeOneThatALoaderTakes) {
  spec_.name = std::string(101, 'x');
  EXPECT_THAT(complaint(), HasSubstr("name: needs 1 to 100 bytes"));
}

TEST_F(SurroundingsTest, AFolderIsReadBackBeforeItAppears) {
  auto folder = models::NewFolder::create(options_.out, false);
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  spec_.classes = 2;
  ASSERT_TRUE(folder->write(worker::kModuleFile, "a module").ok());
  ASSERT_TRUE(folder->describe({"cat", "dog"}, spec_).ok());
  EXPECT_EQ(check_folder(*folder, {"cat", "dog"}).message(), "");
  EXPECT_THAT(check_folder(*folder, {"cat", "cow"}).message(), HasSubstr("labels.txt"));
  ASSERT_TRUE(folder->describe({"cat\r", "dog"}, spec_).ok());
  EXPECT_THAT(check_folder(*folder, {"cat\r", "dog"}).message(), HasSubstr("does not read as"));
  ASSERT_TRUE(folder->write(worker::kModuleFile, "another").ok());
  EXPECT_THAT(check_folder(*folder, {"cat", "dog"}).message(), HasSubstr("no worker would take"));
}

}  // namespace
}  // namespace imgrec::training
