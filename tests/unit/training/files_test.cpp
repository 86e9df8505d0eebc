#include "training/torch/files.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() {
    std::string pattern = (fs::temp_directory_path() / "imgrec-files-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    dir_ = pattern;
  }
  ~FilesTest() override { fs::remove_all(dir_); }

  std::string text_of(const fs::path& name) const {
    std::ifstream stream(dir_ / name);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir_), {}));
  }
  fs::path dir_;
};

TEST_F(FilesTest, AreReplacedAsAWhole) {
  ASSERT_TRUE(replace_file("one", dir_ / "state").ok());
  ASSERT_TRUE(replace_file("two", dir_ / "state").ok());
  EXPECT_EQ(text_of("state"), "two");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FilesTest, LeaveNothingBehindThatIsHalfWritten) {
  ASSERT_TRUE(replace_file("one", dir_ / "state").ok());
  fs::create_symlink("/dev/full", dir_ / "state.new");
  EXPECT_THAT(replace_file("two", dir_ / "state").message(), HasSubstr("No space left"));
  EXPECT_EQ(text_of("state"), "one");
  EXPECT_EQ(entries(), 1u);
  fs::create_directories(dir_ / "folder" / "with something");
  EXPECT_THAT(replace_file("two", dir_ / "folder").message(), HasSubstr("cannot write"));
  EXPECT_EQ(entries(), 2u);
  EXPECT_THAT(replace_file("two", dir_ / "none" / "x").message(), HasSubstr("No such file"));
}

}  // namespace
}  // namespace imgrec::training
