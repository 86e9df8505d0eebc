// Operation n of the disk fails, or the process is killed at it, for n = 0, 1, 2 … until nothing
// fails any more. Whatever n is: what was confirmed is there, what was refused is not, the ledger
// balances, no file is left over, and when the disk works again so does the storage.
#include <csignal>
#include <map>

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/manager_store/faulty_disk.h"
#include "tests/unit/manager_store/storage_fixture.h"

namespace imgrec::manager {
namespace {

namespace fs = std::filesystem;
using Fault = FaultyDisk::Fault;

constexpr std::size_t kMostOperations = 2'000;  // more would mean that the loop does not end

// In memory where there is such a place: these tests start thousands of storages.
fs::path quick_directory() {
  return ::access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm") : fs::temp_directory_path();
}

class StorageFaults : public StorageTest {
 protected:
  StorageFaults() : StorageTest(quick_directory()) {}

  // What the workload was told of each of its steps: true, false, or nothing (it was killed).
  using Told = std::map<char, bool>;

  static std::vector<NewImage> images(int count) {
    std::vector<NewImage> made;
    for (int i = 0; i < count; ++i) made.push_back(image("anna", std::string(5'000, 'p')));
    return made;
  }

  // Every kind of change: one file, many files, both ends of a job, a deletion; retention in
  // between where it is on.
  void run_workload(const std::function<void(char, bool)>& tell) {
    storage_->register_model(kModel);
    const auto one = try_add(images(1));
    tell('1', one.ok());
    const auto five = try_add(images(5));
    tell('5', five.ok());
    if (one.ok()) tell('d', settle(done(one->front().job)).ok());
    if (!five.ok()) return;
    tell('f', settle(failed(five->front().job)).ok());
    tell('r', remove(five->back().id).ok());
  }

  std::map<std::string, ImageRecord> stored() {
    std::map<std::string, ImageRecord> found;
    const auto page = list("anna", 100);
    EXPECT_TRUE(page.ok()) << page.status().message();
    if (!page.ok()) return found;
    for (const ImageRecord& each : page->images) found[each.id.text] = each;
    return found;
  }

  // REQUIRES: retention is off.
  void expect_what_was_told(const Told& told, bool killed) {
    const auto said = [&told](char step) {
      const auto found = told.find(step);
      return found == told.end() ? -1 : static_cast<int>(found->second);
    };
    const auto images = stored();
    const Totals totals = storage_->totals();
    const std::uint64_t least = (said('1') == 1 ? 1 : 0) + (said('5') == 1 ? 5 : 0);
    if (killed) {  // a step that was cut off may have happened
      EXPECT_GE(totals.accepted, least);
    } else {
      EXPECT_EQ(totals.accepted, least);
    }
    if (said('d') == 1) {
      EXPECT_EQ(totals.done, 1u);
    } else if (!killed) {
      EXPECT_EQ(totals.done, 0u);
    }
    EXPECT_GE(totals.failed, (said('f') == 1 ? 1u : 0u) + (said('r') == 1 ? 1u : 0u));
    EXPECT_EQ(images.size(), totals.accepted - (said('r') == 1 || totals.failed == 2 ? 1 : 0));
  }

  void expect_consistent() {
    (void)stored();  // after it, a look for old images that was due is over
    const auto images = stored();
    std::uint64_t open = 0;
    std::uint64_t bytes = 0;
    for (const auto& [id, each] : images) {
      open += is_settled(each.state) ? 0 : 1;
      bytes += each.bytes;
      EXPECT_TRUE(fs::exists(file_of(each.id))) << id;
      EXPECT_TRUE(!each.error || each.error->code != "bytes_lost") << "a half-accepted image";
    }
    const Totals totals = storage_->totals();
    EXPECT_EQ(totals.open, open);
    EXPECT_EQ(totals.accepted, totals.done + totals.failed + totals.open);
    EXPECT_EQ(totals.stored_bytes, bytes);
  }

  void fresh_directory() {
    close();
    fs::remove_all(dir_);
  }

  void expect_survives_errors(Fault fault, int error_number);
  void expect_survives_kills();
};

// Uploads, results and deletions meet an error; afterwards everything works, without a restart.
void StorageFaults::expect_survives_errors(Fault fault, int error_number) {
  FaultyDisk disk(root_);
  for (std::size_t n = 0; n < kMostOperations; ++n) {
    SCOPED_TRACE("operation " + std::to_string(n));
    fresh_directory();
    open();
    Told told;
    disk.fail_at(n, fault, error_number);
    run_workload([&told](char step, bool good) { told[step] = good; });
    const bool ended = disk.struck();
    disk.heal();
    if (retention_.keep_bytes == 0) expect_what_was_told(told, false);
    expect_consistent();
    add();
    const auto before = stored();
    // As a kill leaves it: what was refused must not come back with the log.
    const fs::path copy = root_ / "copy";
    fs::remove_all(copy);
    fs::copy(dir_, copy, fs::copy_options::recursive);
    const fs::path original = dir_;
    for (const fs::path& each : {original, copy}) {
      close();
      dir_ = each;
      open();
      EXPECT_EQ(storage_->open_images().size(), storage_->totals().open);
      expect_consistent();
      EXPECT_EQ(files(), stored().size()) << "files without an image";
      if (retention_.keep_bytes == 0) {
        EXPECT_EQ(stored().size(), before.size());
      }
    }
    close();
    dir_ = original;
    if (HasFailure() || !ended) {
      EXPECT_GT(n, 20u) << "the faults must reach what is tested";
      return;
    }
  }
  FAIL() << "more than " << kMostOperations << " operations";
}

void StorageFaults::expect_survives_kills() {
  FaultyDisk disk(root_);
  for (std::size_t n = 0; n < kMostOperations; ++n) {
    SCOPED_TRACE("killed at operation " + std::to_string(n));
    fresh_directory();
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      disk.fail_at(n, Fault::kDie);
      auto opened = try_open();
      if (!opened.ok()) ::_exit(1);
      storage_ = std::move(*opened);
      run_workload([&ends](char step, bool good) {
        const char said[2] = {step, good ? '1' : '0'};
        if (::write(ends[1], said, 2) != 2) ::_exit(2);
      });
      storage_.reset();  // its end is part of it
      ::_exit(0);
    }
    ::close(ends[1]);
    Told told;
    char said[2];
    while (::read(ends[0], said, 2) == 2) told[said[0]] = said[1] == '1';
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    ASSERT_TRUE(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << status;
    for (const auto& [step, good] : told) EXPECT_TRUE(good) << step;
    open();
    if (retention_.keep_bytes == 0) expect_what_was_told(told, true);
    expect_consistent();
    EXPECT_EQ(files(), stored().size()) << "files without an image";
    add();
    if (HasFailure() || !killed) {
      EXPECT_GT(n, 40u) << "the kills must reach what is tested";
      return;
    }
  }
  FAIL() << "more than " << kMostOperations << " operations";
}

TEST_F(StorageFaults, OneInputOutputErrorAnywhereLosesNothing) {
  expect_survives_errors(Fault::kOnce, EIO);
}

TEST_F(StorageFaults, ADiskThatFillsUpAnywhereLosesNothing) {
  expect_survives_errors(Fault::kFrom, ENOSPC);
}

TEST_F(StorageFaults, ADiskThatBecomesReadOnlyAnywhereLosesNothing) {
  expect_survives_errors(Fault::kFrom, EROFS);
}

TEST_F(StorageFaults, ErrorsWhileOldImagesAreRemovedLoseNothing) {
  retention_.keep_bytes = 15'000;
  expect_survives_errors(Fault::kOnce, EIO);
}

TEST_F(StorageFaults, KillAtAnyOperationLosesNothingConfirmed) { expect_survives_kills(); }

TEST_F(StorageFaults, KillAtAnyOperationWithWeakerSyncLosesNothingConfirmed) {
  sync_ = SyncPolicy::kNone;
  expect_survives_kills();
}

TEST_F(StorageFaults, KillWhileOldImagesAreRemovedLosesNothingElse) {
  retention_.keep_bytes = 15'000;
  expect_survives_kills();
}

// Errors and kills while it starts: the next start finds everything.
TEST_F(StorageFaults, AFailedStartChangesNothing) {
  FaultyDisk disk(root_);
  open();
  const ImageRecord settled = add();
  const ImageRecord waiting = add();
  ASSERT_TRUE(settle(done(settled.job)).ok());
  close();
  for (std::size_t n = 0; n < kMostOperations; ++n) {
    SCOPED_TRACE("operation " + std::to_string(n));
    disk.fail_at(n, Fault::kOnce, EIO);
    {
      const auto opened = try_open();
      EXPECT_TRUE(opened.ok() || !opened.status().message().empty());
    }
    const bool ended = n > 100;
    disk.heal();
    open();
    EXPECT_EQ(find(settled.id)->state, ImageState::kDone);
    ASSERT_EQ(storage_->open_images().size(), 1u);
    EXPECT_EQ(storage_->open_images()[0].id, waiting.id);
    expect_consistent();
    close();
    if (HasFailure() || ended) return;
  }
}

// After a sync that failed the kernel may call the lost pages clean, and the next sync good.
TEST_F(StorageFaults, AFailedSyncRefusesTheWholeBatchAndRemovesItsFiles) {
  FaultyDisk disk(root_);
  for (const int count : {1, 6}) {  // synced one by one, and all at once
    fresh_directory();
    open();
    disk.fail_syncs_from(0, EIO);
    const auto added = try_add(images(count));
    EXPECT_FALSE(added.ok()) << count;
    EXPECT_EQ(added.status().code(), StatusCode::kUnavailable);
    EXPECT_EQ(files(), 0u) << count;
    disk.heal();
    add();
    expect_consistent();
    expect_totals(1, 0, 0);
  }
}

// The transaction is in the log as a whole, and only its sync failed.
TEST_F(StorageFaults, ARefusedUploadDoesNotComeBackWithTheLog) {
  FaultyDisk disk(root_);
  open();
  bool reached_the_commit = false;
  std::uint64_t accepted = 0;
  std::size_t n = 0;  // syncs that still succeed
  // An image whose directory was there before takes fewer syncs than one in a new directory.
  for (int tries = 0; tries < 40; ++tries) {
    add();  // syncs what the last failure left to be synced
    ++accepted;
    disk.fail_syncs_from(n, EIO);
    const auto added = try_add(images(1));
    disk.heal();
    if (added.ok()) {
      if (reached_the_commit) break;
      ++accepted;
      n = 0;
      continue;
    }
    reached_the_commit |= added.status().message().find("SQLite") != std::string::npos;
    const fs::path crashed = root_ / ("crashed" + std::to_string(tries));
    fs::copy(dir_, crashed, fs::copy_options::recursive);
    StorageOptions then = options();
    then.data_dir = crashed;
    const auto opened = Storage::open(then);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    EXPECT_EQ((*opened)->totals().accepted, accepted) << "sync " << n;
    ++n;
  }
  EXPECT_TRUE(reached_the_commit);
}

}  // namespace
}  // namespace imgrec::manager
