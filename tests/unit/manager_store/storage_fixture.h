// A storage in a temporary directory, and calls that wait for their callback. Test code only.
//
// Thread rule: the test's thread. Owns: the directory, removed at the end, and the storage.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "manager/store/storage.h"

namespace imgrec::manager {

inline const ModelInfo kModel{"digest-1", "tiny", {"n01 tench", "n02 shark", "n03 cock"}, 0.5f};

class StorageTest : public ::testing::Test {
 protected:
  explicit StorageTest(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string pattern = (parent / "imgrec-store-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    root_ = pattern;
    dir_ = root_ / "data";
  }
  ~StorageTest() override {
    storage_.reset();
    std::filesystem::remove_all(root_);
  }

  StorageOptions options() const {
    StorageOptions options;
    options.data_dir = dir_;
    options.cache_bytes = cache_bytes_;
    options.sync = sync_;
    options.retention = retention_;
    return options;
  }
  Result<std::unique_ptr<Storage>> try_open() { return Storage::open(options()); }
  void open() {
    auto opened = try_open();
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    storage_ = std::move(*opened);
    storage_->register_model(kModel);
  }
  void close() { storage_.reset(); }
  void reopen() {
    close();
    open();
  }

  // Calls, and waits for the callback.
  template <class T>
  Result<T> wait(const std::function<void(Storage::Callback<T>)>& call) {
    std::promise<Result<T>> promise;
    call([&promise](Result<T> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }

  static NewImage image(const std::string& session, std::string bytes) {
    return {SessionId{session},
            "cat.jpg",
            "image/jpeg",
            640,
            480,
            std::make_shared<const std::string>(std::move(bytes)),
            std::chrono::steady_clock::now() - std::chrono::milliseconds(5)};
  }
  Result<std::vector<ImageRecord>> try_add(std::vector<NewImage> images) {
    return wait<std::vector<ImageRecord>>(
        [&](auto done) { storage_->add_images(std::move(images), std::move(done)); });
  }
  ImageRecord add(const std::string& session = "anna", std::string bytes = "picture") {
    std::vector<NewImage> images;
    images.push_back(image(session, std::move(bytes)));
    auto added = try_add(std::move(images));
    EXPECT_TRUE(added.ok()) << added.status().message();
    return added.ok() ? added->front() : ImageRecord{};
  }
  static Settlement done(JobId job) {
    Settlement settlement;
    settlement.job = job;
    settlement.done = true;
    settlement.model_digest = kModel.digest;
    settlement.top = {{1, 0.75f}, {0, 0.25f}};
    settlement.worker = "w1";
    settlement.attempts = 2;
    settlement.timing.inference = std::chrono::microseconds(60'000);
    return settlement;
  }
  static Settlement failed(JobId job) {
    Settlement settlement;
    settlement.job = job;
    settlement.error = ImageError{"damaged_image", "It ends early."};
    return settlement;
  }
  Result<ImageRecord> settle(Settlement settlement) {
    return wait<ImageRecord>(
        [&](auto call) { storage_->settle(std::move(settlement), std::move(call)); });
  }
  Result<ImageRecord> find(const ImageId& id) {
    return wait<ImageRecord>([&](auto call) { storage_->find(id, std::move(call)); });
  }
  Result<ImageRecord> remove(const ImageId& id) {
    return wait<ImageRecord>([&](auto call) { storage_->remove(id, std::move(call)); });
  }
  Result<ImagePage> list(const std::string& session, std::size_t limit, std::string cursor = "") {
    return wait<ImagePage>([&](auto call) {
      storage_->list(SessionId{session}, limit, std::move(cursor), std::move(call));
    });
  }
  std::vector<ImageRecord> settled_after(const std::string& session, std::uint64_t seq,
                                         std::size_t limit = 100) {
    auto found = wait<std::vector<ImageRecord>>([&](auto call) {
      storage_->settled_after(SessionId{session}, seq, limit, std::move(call));
    });
    EXPECT_TRUE(found.ok());
    return found.ok() ? *found : std::vector<ImageRecord>();
  }
  Result<proto::SharedBytes> load(JobId job) {
    return wait<proto::SharedBytes>([&](auto call) { storage_->load_bytes(job, std::move(call)); });
  }
  std::filesystem::path file_of(const ImageId& id) const {
    return dir_ / "images" / id.text.substr(0, 2) / id.text;
  }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::recursive_directory_iterator(dir_ / "images")) {
      if (each.is_regular_file()) ++count;
    }
    return count;
  }
  void expect_totals(std::uint64_t accepted, std::uint64_t done, std::uint64_t failed) {
    const Totals totals = storage_->totals();
    EXPECT_EQ(totals.accepted, accepted);
    EXPECT_EQ(totals.done, done);
    EXPECT_EQ(totals.failed, failed);
    EXPECT_EQ(totals.open, accepted - done - failed);
  }

  std::filesystem::path root_;
  std::filesystem::path dir_;
  std::uint64_t cache_bytes_ = 1 << 20;
  SyncPolicy sync_ = SyncPolicy::kAlways;
  RetentionOptions retention_;
  std::unique_ptr<Storage> storage_;
};

}  // namespace imgrec::manager
