// Writes that fail: the disk is full, or a directory is not what it should be.
#include <csignal>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "manager/store/disk_reserve.h"
#include "tests/unit/manager_store/storage_fixture.h"

namespace imgrec::manager {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// While it lives, no file of this process may grow beyond `bytes`: what a full disk looks like.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

using StorageFailure = StorageTest;

TEST_F(StorageFailure, FullDiskRefusesTheUploadAndLeavesNothingOfIt) {
  open();
  add("anna", "before");
  {
    const FileSizeLimit full(1 << 20);
    std::vector<NewImage> images;
    images.push_back(image("anna", "small enough"));
    images.push_back(image("anna", std::string(2 << 20, 'x')));
    const auto added = try_add(std::move(images));
    ASSERT_FALSE(added.ok());
    EXPECT_EQ(added.status().code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(added.status().message(), HasSubstr("free space"));
    EXPECT_EQ(files(), 1u);
    expect_totals(1, 0, 0);
  }
  add("anna", "after");
  expect_totals(2, 0, 0);
}

TEST_F(StorageFailure, FailedCommitAcceptsNothingAndTheNextOneWorks) {
  open();
  const ImageRecord before = add("anna", "before");
  {
    const FileSizeLimit full(4096);  // neither log nor database takes another page
    std::vector<NewImage> images;
    images.push_back(image("anna", "tiny"));
    const auto added = try_add(std::move(images));
    ASSERT_FALSE(added.ok());
    EXPECT_TRUE(added.status().code() == StatusCode::kUnavailable ||
                added.status().code() == StatusCode::kResourceExhausted)
        << added.status().message();
    EXPECT_FALSE(settle(done(before.job)).ok());
    EXPECT_FALSE(remove(before.id).ok());
    EXPECT_EQ(files(), 1u);
    EXPECT_EQ(storage_->last_seq(), 0u);
    expect_totals(1, 0, 0);
    EXPECT_EQ(find(before.id)->state, ImageState::kQueued) << "reading goes on";
    EXPECT_EQ(**load(before.job), "before");
  }
  ASSERT_TRUE(settle(done(before.job)).ok()) << "the model's row is stored now";
  EXPECT_EQ(find(before.id)->top[0].label, "n02 shark");
  const ImageRecord after = add("anna", "after");
  reopen();
  EXPECT_EQ(storage_->take_open_images().size(), 1u);
  EXPECT_TRUE(find(after.id).ok());
  EXPECT_EQ(storage_->last_seq(), 1u);
  expect_totals(2, 1, 0);
}

TEST_F(StorageFailure, FailingDirectoriesCostOnlyTheUploadsThatNeedThem) {
  open();
  fs::remove_all(dir_ / "images");
  std::vector<NewImage> images;
  images.push_back(image("anna", "x"));
  const auto added = try_add(std::move(images));
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(added.status().message(), HasSubstr("images"));
  expect_totals(0, 0, 0);
  EXPECT_TRUE(list("anna", 5).ok());
  reopen();  // makes the directories again
  add();
  expect_totals(1, 0, 0);
}

TEST_F(StorageFailure, ReserveIsTakenGivenUpOnceAndTakenAgain) {
  fs::create_directories(dir_);
  DiskReserve reserve(dir_ / "reserve");
  EXPECT_FALSE(reserve.give_up()) << "there is none yet";
  EXPECT_FALSE(reserve.given_up());
  reserve.take();
  EXPECT_EQ(fs::file_size(dir_ / "reserve"), DiskReserve::kBytes);
  EXPECT_TRUE(reserve.give_up());
  EXPECT_FALSE(reserve.give_up());
  EXPECT_TRUE(reserve.given_up());
  EXPECT_FALSE(fs::exists(dir_ / "reserve"));
  {
    const FileSizeLimit full(DiskReserve::kBytes / 2);
    reserve.take();
    EXPECT_TRUE(reserve.given_up());
    EXPECT_FALSE(fs::exists(dir_ / "reserve")) << "half of it is no use";
  }
  reserve.take();
  EXPECT_FALSE(reserve.given_up());
  DiskReserve next_process(dir_ / "reserve");
  next_process.take();
  EXPECT_TRUE(next_process.give_up()) << "it finds what is there";
}

}  // namespace
}  // namespace imgrec::manager
