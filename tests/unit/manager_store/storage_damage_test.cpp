// Files of the database that something damaged. The storage starts with everything that was
// confirmed, or not at all and says why; the photos stay where they are either way.
#include <fstream>

#include <gmock/gmock.h>
#include <sqlite3.h>

#include "tests/unit/manager_store/storage_fixture.h"

namespace imgrec::manager {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int kImages = 40;

class StorageDamage : public StorageTest {
 protected:
  fs::path database() const { return dir_ / "imgrec.db"; }
  fs::path log() const { return dir_ / "imgrec.db-wal"; }

  // As an orderly end leaves it: all in the database.
  void fill() {
    open();
    for (int i = 0; i < kImages; ++i) {
      const ImageRecord each = add("anna", "picture " + std::to_string(i));
      if (i % 2 == 0) {
        ASSERT_TRUE(settle(done(each.job)).ok());
      }
    }
  }
  // As a kill leaves it: most of it in the log.
  void fill_and_kill() {
    fill();
    fs::copy(dir_, root_ / "killed", fs::copy_options::recursive);
    close();
    dir_ = root_ / "killed";
  }
  void overwrite(const fs::path& file, std::uintmax_t at, const std::string& bytes) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(at));
    stream << bytes;
  }
  void expect_refused(const std::string& why) {
    const auto opened = try_open();
    ASSERT_FALSE(opened.ok()) << why;
    EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss) << opened.status().message();
    EXPECT_THAT(opened.status().message(), HasSubstr(database().string()));
    EXPECT_THAT(opened.status().message(), HasSubstr("Restore"));
    EXPECT_EQ(files(), static_cast<std::size_t>(kImages)) << "the photos must stay";
  }
  void expect_everything() {
    auto opened = try_open();
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    storage_ = std::move(*opened);
    expect_totals(kImages, kImages / 2, 0);
    EXPECT_EQ(list("anna", 100)->images.size(), static_cast<std::size_t>(kImages));
  }
  void run_sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(database().c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
};

TEST_F(StorageDamage, AMissingOrEmptyDatabaseIsNotMadeAnewOverStoredImages) {
  fill();
  close();
  fs::rename(database(), root_ / "aside");
  expect_refused("missing");
  std::ofstream(database()).close();
  expect_refused("empty");
  fs::rename(root_ / "aside", database());
  expect_everything();
}

TEST_F(StorageDamage, ADamagedHeaderIsRefused) {
  fill();
  close();
  overwrite(database(), 0, std::string(100, '\0'));
  expect_refused("zeros");
  overwrite(database(), 0, std::string(100, '\xff'));
  expect_refused("ones");
}

// Whatever bytes of the file's structure are lost, it is noticed or it did not matter.
TEST_F(StorageDamage, EveryPageThatIsOverwrittenIsNoticedOrWasFree) {
  fill();
  close();
  const auto size = fs::file_size(database());
  const fs::path whole = root_ / "whole";
  fs::copy_file(database(), whole);
  std::size_t refused = 0;
  for (std::uintmax_t page = 1; page < size / 4096; ++page) {
    SCOPED_TRACE("page " + std::to_string(page));
    overwrite(database(), page * 4096, std::string(4096, '\xa5'));
    auto opened = try_open();
    if (opened.ok()) {
      storage_ = std::move(*opened);
      expect_totals(kImages, kImages / 2, 0);
      EXPECT_EQ(list("anna", 100)->images.size(), static_cast<std::size_t>(kImages));
      close();
    } else {
      ++refused;
      EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss) << opened.status().message();
      EXPECT_THAT(opened.status().message(), HasSubstr(database().string()));
    }
    EXPECT_EQ(files(), static_cast<std::size_t>(kImages));
    fs::copy_file(whole, database(), fs::copy_options::overwrite_existing);
    fs::remove(log());
  }
  EXPECT_GT(refused, 5u);
  expect_everything();
}

TEST_F(StorageDamage, ATruncatedDatabaseIsRefused) {
  fill();
  close();
  const auto size = fs::file_size(database());
  for (const std::uintmax_t left :
       {size - 4096, size / 2, std::uintmax_t{4096}, std::uintmax_t{100}, std::uintmax_t{1}}) {
    fs::resize_file(database(), left);
    expect_refused(std::to_string(left) + " bytes left");
  }
}

TEST_F(StorageDamage, ALedgerThatDoesNotFitTheImagesIsRefused) {
  for (const char* sql : {"UPDATE ledger SET accepted = accepted + 1", "UPDATE ledger SET done = 0",
                          "UPDATE ledger SET last_seq = 3", "DELETE FROM ledger",
                          "DELETE FROM images WHERE state = 0"}) {
    SCOPED_TRACE(sql);
    fill();
    close();
    run_sql(sql);
    expect_refused(sql);
    fs::remove_all(dir_);
  }
}

TEST_F(StorageDamage, AWholeLogIsRecovered) {
  fill_and_kill();
  ASSERT_GT(fs::file_size(log()), 40u * 4096);
  expect_everything();
}

TEST_F(StorageDamage, DamageInTheMiddleOfTheLogIsRefused) {
  fill_and_kill();
  const auto size = fs::file_size(log());
  const fs::path whole = root_ / "whole";
  fs::copy_file(log(), whole);
  for (const std::uintmax_t at : {std::uintmax_t{0}, std::uintmax_t{20}, std::uintmax_t{32 + 8},
                                  std::uintmax_t{5'000}, size / 3, size / 2, size / 3 * 2}) {
    SCOPED_TRACE("at " + std::to_string(at) + " of " + std::to_string(size));
    overwrite(log(), at, std::string(64, '\x5a'));
    expect_refused("log");
    fs::copy_file(whole, log(), fs::copy_options::overwrite_existing);
  }
  expect_everything();
}

// What a crash of the machine may leave: the last transaction was never confirmed.
TEST_F(StorageDamage, ATornLastTransactionIsForgotten) {
  fill();
  const auto confirmed = fs::file_size(log());
  fs::create_directories(root_ / "killed");
  const ImageRecord last = add("anna", "not yet confirmed");
  fs::copy(dir_, root_ / "killed", fs::copy_options::recursive);
  close();
  dir_ = root_ / "killed";
  fs::resize_file(log(), confirmed + 4096 + 24 + 100);
  expect_everything();
  EXPECT_FALSE(fs::exists(file_of(last.id))) << "swept";
}

// Without syncs a crash of the machine may leave holes: what is before the first one counts.
TEST_F(StorageDamage, ALogThatWasNotSyncedIsTakenUpToItsFirstHole) {
  fill_and_kill();
  overwrite(log(), fs::file_size(log()) / 2, std::string(64, '\x5a'));
  sync_ = SyncPolicy::kNone;
  open();
  const Totals totals = storage_->totals();
  EXPECT_GT(totals.accepted, 5u);
  EXPECT_LT(totals.accepted, static_cast<std::uint64_t>(kImages));
  EXPECT_EQ(files(), totals.accepted);
}

TEST_F(StorageDamage, GarbageBehindTheLogIsPassedOver) {
  fill_and_kill();
  std::ofstream(log(), std::ios::app | std::ios::binary) << std::string(50'000, '\x5a');
  expect_everything();
}

}  // namespace
}  // namespace imgrec::manager
