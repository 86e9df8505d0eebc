// Images removed for their age and for the room they take.
#include <condition_variable>
#include <mutex>

#include <gmock/gmock.h>
#include <sqlite3.h>

#include "tests/unit/manager_store/storage_fixture.h"

namespace imgrec::manager {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StorageRetention : public StorageTest {
 protected:
  ImageRecord add_settled(const std::string& bytes) {
    const ImageRecord added = add("anna", bytes);
    EXPECT_TRUE(settle(done(added.job)).ok());
    return added;
  }
  void set_age(const ImageRecord& image, std::chrono::hours age) {
    const auto then = std::chrono::system_clock::now() - age;
    run_sql("UPDATE images SET settled_us = " +
            std::to_string(
                std::chrono::duration_cast<std::chrono::microseconds>(then.time_since_epoch())
                    .count()) +
            " WHERE id = '" + image.id.text + "'");
  }
  void run_sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((dir_ / "imgrec.db").c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  // Opens, and waits until so many images have expired.
  // Some may be gone before anyone can watch: counted in the totals.
  void open_and_wait_expired(std::size_t count) {
    open();
    watch();
    wait_until([&] { return storage_->totals().expired >= count; });
  }
  void watch() {
    storage_->on_expired([this](const ImageRecord& image) {
      const std::scoped_lock lock(mutex_);
      expired_.push_back(image.id);
      some_.notify_all();
    });
  }
  void wait_expired(std::size_t count) {
    wait_until([&] { return expired_.size() >= count; });
  }
  template <class Condition>
  void wait_until(Condition condition) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(some_.wait_for(lock, std::chrono::seconds(60), condition)) << "nothing happened";
  }
  // After every task that was queued, and so after a look that was due.
  std::vector<std::string> ids() {
    (void)list("anna", 1);
    std::vector<std::string> found;
    const auto page = list("anna", 200);
    for (const auto& image : page->images) found.push_back(image.id.text);
    return found;
  }

  std::mutex mutex_;
  std::condition_variable some_;
  std::vector<ImageId> expired_;  // guarded by mutex_
};

TEST_F(StorageRetention, KeepsEverythingUnlessToldOtherwise) {
  open();
  const ImageRecord old = add_settled("x");
  close();
  set_age(old, std::chrono::hours(24 * 365 * 10));
  open();
  EXPECT_THAT(ids(), ElementsAre(old.id.text));
  EXPECT_EQ(storage_->totals().expired, 0u);
}

TEST_F(StorageRetention, RemovesSettledImagesOfThatAgeAndNothingElse) {
  open();
  const ImageRecord old = add_settled("old");
  const ImageRecord open_image = add("anna", "open");
  const ImageRecord young = add_settled("young");
  close();
  set_age(old, std::chrono::hours(25));
  set_age(young, std::chrono::hours(23));
  retention_.keep_for = std::chrono::hours(24);
  open();
  EXPECT_THAT(ids(), ElementsAre(young.id.text, open_image.id.text));
  EXPECT_EQ(find(old.id).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(file_of(old.id)));
  EXPECT_EQ(files(), 2u);
  expect_totals(3, 2, 0);
  EXPECT_EQ(storage_->totals().expired, 1u);
  EXPECT_EQ(storage_->totals().stored_bytes, 9u);
  reopen();
  expect_totals(3, 2, 0);
}

TEST_F(StorageRetention, RemovesTheLongestSettledFirstUntilTheBytesFit) {
  retention_.keep_bytes = 10;
  open();
  watch();
  const ImageRecord waits = add("anna", "12345");
  const ImageRecord second = add("anna", "123");
  const ImageRecord first = add("anna", "12");
  ASSERT_TRUE(settle(done(first.job)).ok());
  ASSERT_TRUE(settle(done(second.job)).ok());
  EXPECT_THAT(ids(), ElementsAre(first.id.text, second.id.text, waits.id.text)) << "exactly 10";
  const ImageRecord last = add("anna", "1");
  EXPECT_THAT(ids(), ElementsAre(last.id.text, second.id.text, waits.id.text));
  wait_expired(1);
  EXPECT_THAT(expired_, ElementsAre(first.id));
  EXPECT_EQ(storage_->totals().stored_bytes, 9u);
  expect_totals(4, 2, 0);
}

TEST_F(StorageRetention, NeverRemovesWhatIsOpenHoweverMuchThereIs) {
  retention_.keep_bytes = 1;
  open();
  const ImageRecord one = add("anna", "11111");
  const ImageRecord two = add("anna", "22222");
  EXPECT_THAT(ids(), ElementsAre(two.id.text, one.id.text));
  EXPECT_EQ(**load(one.job), "11111");
  ASSERT_TRUE(settle(done(one.job)).ok()) << "its result is stored before it goes";
  watch();
  wait_expired(1);
  EXPECT_THAT(ids(), ElementsAre(two.id.text));
}

TEST_F(StorageRetention, RemovesMoreThanOneBatch) {
  open();
  constexpr std::size_t kMany = Retention::kBatch * 3 + 5;
  std::vector<NewImage> images;
  for (std::size_t i = 0; i < kMany; ++i) images.push_back(image("anna", "xyz"));
  const auto added = try_add(std::move(images));
  ASSERT_TRUE(added.ok());
  for (const auto& each : *added) {
    if (&each != &added->back()) storage_->settle(done(each.job), nullptr);
  }
  ASSERT_TRUE(settle(done(added->back().job)).ok());
  close();
  retention_.keep_bytes = 6;
  open_and_wait_expired(kMany - 2);
  EXPECT_EQ(ids().size(), 2u);
  EXPECT_EQ(files(), 2u);
  expect_totals(kMany, kMany, 0);
  EXPECT_EQ(storage_->totals().expired, kMany - 2);
}

TEST_F(StorageRetention, RoomTakenByDeletedImagesIsGivenBack) {
  retention_.keep_bytes = 10;
  open();
  const ImageRecord first = add_settled("12345");
  const ImageRecord second = add_settled("12345");
  ASSERT_TRUE(remove(second.id).ok());
  const ImageRecord third = add_settled("12345");
  EXPECT_THAT(ids(), ElementsAre(third.id.text, first.id.text));
}

}  // namespace
}  // namespace imgrec::manager
