// What the storage thread is asked to do, one class per request. The thread takes all that wait,
// and leads them through these steps together:
//   write_files | sync | BEGIN, apply each in its own savepoint, COMMIT | finish
//
// Thread rule: made by any thread, then used by the storage thread only.
// Owns: the request and its callback.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "manager/core/retention.h"
#include "manager/store/byte_cache.h"
#include "manager/store/image_files.h"
#include "manager/store/image_table.h"
#include "manager/store/model_table.h"
#include "manager/store/schema.h"
#include "manager/store/sqlite.h"
#include "manager/store/storage.h"
#include "manager/store/upload_table.h"

namespace imgrec::manager {

// What tasks work on.
struct StoreContext {
  // Of an image accepted by this process; afterwards only the stored wall times tell.
  struct Accepted {
    std::chrono::steady_clock::time_point received;
    std::chrono::microseconds upload{};
  };

  Database& db;
  ImageTable& images;
  ModelTable& models;
  UploadTable& uploads;
  ImageFiles& files;
  ByteCache& cache;
  std::uint64_t cursor_key;
  Ledger ledger;  // as of the transaction in hand
  std::unordered_map<JobId, Accepted> accepted;
};

class StorageTask {
 public:
  virtual ~StorageTask() = default;

  // A task may be applied again when the transaction it was in failed, unless it wrote files.
  virtual bool changes_database() const = 0;
  virtual bool writes_files() const { return false; }
  virtual Status write_files(StoreContext&) { return Status(); }
  virtual Status apply(StoreContext&) = 0;
  // Once, at the end: calls back with what `outcome` and the steps above left.
  virtual void finish(StoreContext&) = 0;

  Status outcome;  // of the steps so far and, in finish(), of the commit; set by the thread
};

class AddTask final : public StorageTask {
 public:
  AddTask(std::optional<UploadKey> key, std::vector<NewImage> images,
          Storage::Callback<StoredUpload> done)
      : key_(std::move(key)), images_(std::move(images)), done_(std::move(done)) {}
  bool changes_database() const override { return true; }
  bool writes_files() const override { return true; }
  Status write_files(StoreContext& store) override;
  Status apply(StoreContext& store) override;
  void finish(StoreContext& store) override;

 private:
  Status find_earlier(StoreContext& store);
  void forget_files(StoreContext& store);

  std::optional<UploadKey> key_;
  std::vector<NewImage> images_;
  Storage::Callback<StoredUpload> done_;
  std::vector<ImageRecord> records_;  // those whose files were written
  bool replayed_ = false;             // the same upload is stored already:
  std::vector<ImageRecord> earlier_;  // with these images
};

class RegisterModelTask final : public StorageTask {
 public:
  explicit RegisterModelTask(ModelInfo model) : model_(std::move(model)) {}
  bool changes_database() const override { return false; }  // stored with its first result
  Status apply(StoreContext& store) override;
  void finish(StoreContext&) override {}

 private:
  ModelInfo model_;
};

class SettleTask final : public StorageTask {
 public:
  SettleTask(Settlement settlement, Storage::Callback<ImageRecord> done)
      : settlement_(std::move(settlement)), done_(std::move(done)) {}
  bool changes_database() const override { return true; }
  Status apply(StoreContext& store) override;
  void finish(StoreContext& store) override;

 private:
  void fill_in(StoreContext& store, const ModelInfo* model);

  Settlement settlement_;
  Storage::Callback<ImageRecord> done_;
  ImageRecord record_;
};

class RemoveTask final : public StorageTask {
 public:
  RemoveTask(ImageId id, Storage::Callback<ImageRecord> done)
      : id_(std::move(id)), done_(std::move(done)) {}
  bool changes_database() const override { return true; }
  Status apply(StoreContext& store) override;
  void finish(StoreContext& store) override;

 private:
  ImageId id_;
  Storage::Callback<ImageRecord> done_;
  ImageRecord record_;
};

// Removes what has expired, a batch at most. Not asked for: the thread makes it when it is time.
class ExpireTask final : public StorageTask {
 public:
  using Observer = std::function<void(const ImageRecord&)>;
  ExpireTask(Retention& retention, Observer observer)
      : retention_(retention), observer_(std::move(observer)) {}
  bool changes_database() const override { return true; }
  Status apply(StoreContext& store) override;
  void finish(StoreContext& store) override;

 private:
  Retention& retention_;
  Observer observer_;
  std::vector<ImageRecord> removed_;
};

// A request that only reads: a function from the store to a T.
template <class T>
class ReadTask final : public StorageTask {
 public:
  using Read = std::function<Result<T>(StoreContext&)>;
  ReadTask(Read read, Storage::Callback<T> done) : read_(std::move(read)), done_(std::move(done)) {}
  bool changes_database() const override { return false; }
  Status apply(StoreContext& store) override {
    Result<T> result = read_(store);
    if (!result.ok()) return result.status();
    value_ = std::move(*result);
    return Status();
  }
  void finish(StoreContext&) override {
    if (!done_) return;
    if (outcome.ok()) {
      done_(std::move(value_));
    } else {
      done_(outcome);
    }
  }

 private:
  Read read_;
  Storage::Callback<T> done_;
  T value_{};
};

// Settles the open images whose files are gone or cut, at start. REQUIRES: a transaction.
Status settle_lost_image(StoreContext& store, ImageRecord image);

}  // namespace imgrec::manager
