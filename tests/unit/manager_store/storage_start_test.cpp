// What the storage finds when it starts: after an orderly end, after a crash, after mishaps.
#include <fstream>

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/manager_store/storage_fixture.h"

namespace imgrec::manager {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class StorageStart : public StorageTest {
 protected:
  void write_file(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  void run_sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((dir_ / "imgrec.db").c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
};

TEST_F(StorageStart, KeepsEverythingAcrossAnOrderlyRestart) {
  open();
  const std::string manager_id = storage_->manager_id();
  EXPECT_EQ(manager_id.size(), 32u);
  const ImageRecord settled = add("anna", "one");
  const ImageRecord waiting = add("anna", "two");
  ASSERT_TRUE(settle(done(settled.job)).ok());
  const std::string cursor = list("anna", 1)->next_cursor;

  close();
  auto opened = try_open();  // without register_model: labels come from the database
  ASSERT_TRUE(opened.ok());
  storage_ = std::move(*opened);
  EXPECT_EQ(storage_->manager_id(), manager_id);
  const auto open_images = storage_->take_open_images();
  ASSERT_EQ(open_images.size(), 1u);
  EXPECT_EQ(open_images[0].id, waiting.id);
  EXPECT_EQ(open_images[0].state, ImageState::kQueued);
  EXPECT_EQ(find(settled.id)->top[0].label, "n02 shark");
  EXPECT_EQ(storage_->last_seq(), 1u);
  expect_totals(2, 1, 0);
  EXPECT_EQ(**load(waiting.job), "two");
  EXPECT_EQ(list("anna", 1, cursor)->images[0].id, settled.id) << "cursors outlive a restart";

  ASSERT_TRUE(settle(done(waiting.job)).ok());
  EXPECT_EQ(find(waiting.id)->settle_seq, 2u) << "numbers go on";
  EXPECT_GE(find(waiting.id)->timing.total, find(waiting.id)->timing.upload);
  EXPECT_GT(find(waiting.id)->timing.upload.count(), 0);
}

TEST_F(StorageStart, NeverReusesJobNumbersOrSettlementNumbers) {
  open();
  const ImageRecord last = add();
  ASSERT_TRUE(settle(done(last.job)).ok());
  ASSERT_TRUE(remove(last.id).ok());
  reopen();
  const ImageRecord next = add();
  EXPECT_GT(next.job, last.job);
  EXPECT_EQ(settle(done(next.job))->settle_seq, 2u);
}

TEST_F(StorageStart, LosesNothingConfirmedWhenTheProcessDiesWithoutTidyingUp) {
  fs::create_directories(root_);
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto opened = try_open();
    if (!opened.ok()) ::_exit(1);
    Storage* leaked = std::move(*opened).release();  // no destructor runs
    std::vector<NewImage> images;
    for (int i = 0; i < 20; ++i) images.push_back(image("anna", std::to_string(i)));
    leaked->add_images(std::move(images), [&](Result<std::vector<ImageRecord>> added) {
      const char ok = added.ok() ? '1' : '0';
      if (::write(pipe_ends[1], &ok, 1) != 1) ::_exit(2);
      ::_exit(3);  // at once, on the storage thread: the confirmation is all that got out
    });
    ::pause();
  }
  ::close(pipe_ends[1]);
  char confirmed = 0;
  EXPECT_EQ(::read(pipe_ends[0], &confirmed, 1), 1);
  ::close(pipe_ends[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 3);
  EXPECT_EQ(confirmed, '1');
  open();
  const auto images = storage_->take_open_images();
  ASSERT_EQ(images.size(), 20u);
  EXPECT_EQ(**load(images[7].job), "7");
  expect_totals(20, 0, 0);
}

TEST_F(StorageStart, AcceptsACopyTakenWhileItRuns) {
  open();
  add("anna", "one");
  const ImageRecord settled = add("anna", "two");
  ASSERT_TRUE(settle(done(settled.job)).ok());
  fs::copy(dir_, root_ / "copy", fs::copy_options::recursive);  // WAL and all, as a crash leaves it
  close();
  dir_ = root_ / "copy";
  open();
  EXPECT_EQ(storage_->take_open_images().size(), 1u);
  EXPECT_EQ(storage_->last_seq(), 1u);
  expect_totals(2, 1, 0);
}

TEST_F(StorageStart, RemovesTransientImagesAndKeepsTheLedger) {
  open();
  const std::string transient = std::string(kTransientSession) + std::string(32, 'a');
  const ImageRecord settled = add(transient, "one");
  const ImageRecord waiting = add(transient, "two");
  const ImageRecord kept = add("transient", "three");
  ASSERT_TRUE(settle(done(settled.job)).ok());
  reopen();
  expect_totals(3, 1, 1);
  EXPECT_EQ(storage_->totals().open, 1u);
  EXPECT_EQ(storage_->totals().stored_bytes, 5u);
  EXPECT_EQ(find(settled.id).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(find(waiting.id).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(find(kept.id).ok());
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(storage_->take_open_images().size(), 1u);
}

TEST_F(StorageStart, RefusesASecondOpenerAndNamesTheFirst) {
  open();
  const auto second = try_open();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr(std::to_string(::getpid())));
  EXPECT_THAT(second.status().message(), HasSubstr(dir_.string()));
  close();
  EXPECT_TRUE(try_open().ok());
}

TEST_F(StorageStart, RefusesADatabaseOfANewerProgram) {
  open();
  close();
  run_sql("PRAGMA user_version = 99");
  const auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(opened.status().message(), HasSubstr("schema version 99"));
}

TEST_F(StorageStart, BringsADatabaseOfTheFirstVersionUpToDate) {
  open();
  const ImageRecord image = add();
  close();
  run_sql("CREATE INDEX images_open ON images(job) WHERE state = 0");
  run_sql("ALTER TABLE images DROP COLUMN top_k");
  run_sql("DROP TABLE uploads");
  run_sql("DELETE FROM meta WHERE key = 'secret'");
  run_sql("PRAGMA user_version = 1");
  open();
  const auto kept = storage_->take_open_images();
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].id, image.id);
  EXPECT_EQ(kept[0].top_k, kStoredPredictions);
  const std::string secret = storage_->secret();
  EXPECT_EQ(secret.size(), 32u);
  reopen();
  EXPECT_EQ(storage_->secret(), secret) << "made once";
}

TEST_F(StorageStart, BringsADatabaseOfTheSecondVersionUpToDate) {
  const auto upload = [this] {
    std::vector<NewImage> images;
    images.push_back(image("anna", "picture"));
    return wait<StoredUpload>([&](auto done) {
      storage_->add_upload(UploadKey{SessionId{"anna"}, "k1", "fingerprint of today"},
                           std::move(images), std::move(done));
    });
  };
  open();
  const auto first = upload();
  ASSERT_TRUE(first.ok());
  const ImageRecord settled = add();
  ASSERT_TRUE(settle(done(settled.job)).ok());
  close();
  run_sql("CREATE INDEX images_open ON images(job) WHERE state = 0");
  run_sql("UPDATE uploads SET fingerprint = 'as it was made then'");
  run_sql("UPDATE images SET top = NULL WHERE state = 0");
  run_sql("PRAGMA user_version = 2");
  open();
  const auto open_ones = storage_->take_open_images();
  ASSERT_EQ(open_ones.size(), 1u);
  EXPECT_EQ(open_ones[0].id, first->images[0].id);
  const auto again = upload();
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_TRUE(again->replayed) << "its fingerprint cannot be compared";
}

// A row that grew would not fit where it is: pages beside it would be written for each result.
TEST_F(StorageStart, AnswersFitIntoTheRoomThatTheirRowsHave) {
  const ModelInfo large{"digest-2", "large", std::vector<std::string>(1'000, "a label"), 0.1f};
  const auto pages = [this] {
    close();
    return fs::file_size(dir_ / "imgrec.db") / 4096;
  };
  open();
  storage_->register_model(large);
  std::vector<ImageRecord> images;
  for (int i = 0; i < 100; ++i) images.push_back(add());
  EXPECT_TRUE(find(images[0].id)->top.empty()) << "the room is no answer";
  const auto before = pages();
  open();
  storage_->register_model(large);
  for (const ImageRecord& image : images) {
    Settlement settlement = done(image.job);
    settlement.model_digest = large.digest;
    settlement.top.assign(kStoredPredictions, {7, 0.01f});
    settlement.worker = "a-worker-of-some-name";
    ASSERT_TRUE(settle(std::move(settlement)).ok());
  }
  EXPECT_EQ(find(images[99].id)->top.size(), kStoredPredictions);
  EXPECT_LE(pages() - before, 12u) << "labels and indexes";
}

TEST_F(StorageStart, KeepsItsFilesFromOtherUsers) {
  const auto others = [](const fs::path& path) {
    return fs::status(path).permissions() & (fs::perms::group_all | fs::perms::others_all);
  };
  open();
  add();
  EXPECT_EQ(others(dir_), fs::perms::none);
  for (const char* name : {"imgrec.db", "imgrec.db-wal"}) {
    EXPECT_EQ(others(dir_ / name), fs::perms::none) << name;
  }
  close();
  fs::permissions(dir_ / "imgrec.db", fs::perms::others_read, fs::perm_options::add);
  open();
  EXPECT_EQ(others(dir_ / "imgrec.db"), fs::perms::none) << "one of an older program";
}

TEST_F(StorageStart, RefusesADatabaseThatIsNotOurs) {
  fs::create_directories(dir_);
  run_sql("CREATE TABLE recipes(name TEXT)");
  const auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.status().message(), HasSubstr("not made by this program"));
}

TEST_F(StorageStart, RefusesAFileThatIsNoDatabaseAndKeepsIt) {
  fs::create_directories(dir_);
  const std::string garbage(20'000, 'g');
  write_file(dir_ / "imgrec.db", garbage);
  const auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(opened.status().message(), HasSubstr((dir_ / "imgrec.db").string()));
  EXPECT_THAT(opened.status().message(), HasSubstr("Restore"));
  EXPECT_EQ(fs::file_size(dir_ / "imgrec.db"), garbage.size());
}

TEST_F(StorageStart, RefusesADatabaseWithADamagedPage) {
  open();
  for (int i = 0; i < 100; ++i) add("anna", "x");
  close();
  const auto size = fs::file_size(dir_ / "imgrec.db");
  ASSERT_GT(size, 5u * 4096);
  std::fstream file(dir_ / "imgrec.db", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(size - 4096, '\xee');  // all but the first page
  file.close();
  const auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss) << opened.status().message();
  EXPECT_EQ(files(), 100u) << "a damaged database must not cost the images";
}

TEST_F(StorageStart, SweepsFilesThatWereNeverAccepted) {
  open();
  const ImageRecord kept = add();
  const ImageId orphan{std::string(32, 'a')};
  write_file(file_of(orphan), "cut off");
  write_file(dir_ / "images" / "aa" / "notes.txt", "someone else's");
  reopen();
  EXPECT_FALSE(fs::exists(file_of(orphan)));
  EXPECT_TRUE(fs::exists(file_of(kept.id)));
  EXPECT_TRUE(fs::exists(dir_ / "images" / "aa" / "notes.txt"));
}

TEST_F(StorageStart, SettlesOpenImagesWhoseBytesAreLost) {
  open();
  const ImageRecord gone = add("anna", "gone");
  const ImageRecord cut = add("anna", "cut short");
  const ImageRecord whole = add("anna", "whole");
  close();
  fs::remove(file_of(gone.id));
  fs::resize_file(file_of(cut.id), 3);
  open();
  const auto open_images = storage_->take_open_images();
  ASSERT_EQ(open_images.size(), 1u);
  EXPECT_EQ(open_images[0].id, whole.id);
  for (const ImageId& id : {gone.id, cut.id}) {
    const auto found = find(id);
    EXPECT_EQ(found->state, ImageState::kFailed);
    EXPECT_EQ(found->error->code, "bytes_lost");
  }
  EXPECT_EQ(settled_after("anna", 0).size(), 2u) << "its session must hear of it";
  expect_totals(3, 0, 2);
  reopen();
  EXPECT_EQ(storage_->last_seq(), 2u);
  expect_totals(3, 0, 2);
}

TEST_F(StorageStart, SaysWhatIsWrongWithTheDataDirectory) {
  write_file(dir_, "a file where the directory should be");
  const auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.status().message(), HasSubstr(dir_.string()));
}

}  // namespace
}  // namespace imgrec::manager
