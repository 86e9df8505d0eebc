// Durable storage of images and results: one thread, one SQLite connection, group commit, image
// bytes as files. What it has confirmed survives kill -9, and what SyncPolicy says.
//
// Thread rule: every method may be called from any thread and returns at once; callbacks run on
// the storage thread and must not block (post elsewhere). Callbacks are called exactly once, also
// at shutdown (with kUnavailable).
// Owns: the thread, the database connection, the data directory's lock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manager/core/image_record.h"
#include "manager/core/retention.h"
#include "manager/core/settlement.h"
#include "manager/store/sync_policy.h"
#include "proto/ids.h"
#include "proto/messages.h"
#include "proto/status.h"

namespace imgrec::manager {

struct StorageOptions {
  std::filesystem::path data_dir;  // made if missing; locked against a second manager
  // Bytes of open images kept in memory beside their files, so that an assignment needs no read.
  std::uint64_t cache_bytes = 256ull << 20;
  SyncPolicy sync = SyncPolicy::kAlways;
  std::chrono::milliseconds sync_interval{1'000};  // of SyncPolicy::kInterval
  RetentionOptions retention;
};

// A session whose images nobody waits for once this process is gone: they go at the next start. No
// client can name one, as the names that clients may send have no colon.
inline constexpr std::string_view kTransientSession = "transient:";

struct NewImage {
  SessionId session;
  std::string name;
  std::string media_type;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  proto::SharedBytes bytes;
  std::chrono::steady_clock::time_point received;  // first byte of its request
  std::uint16_t top_k = kStoredPredictions;        // classes to ask for and to keep
};

// Makes an upload that is sent again the same upload (Idempotency-Key).
struct UploadKey {
  SessionId session;
  std::string key;
  std::string fingerprint;  // of what is uploaded: another one under the same key is a mistake
};

struct StoredUpload {
  std::vector<ImageRecord> images;
  bool replayed = false;  // it was here before: these are its images that are left, as they are
};

struct Totals {  // accepted = done + failed + open, over the life of the data directory
  std::uint64_t accepted = 0;
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t open = 0;
  std::uint64_t stored_bytes = 0;  // uploaded bytes of all images there are
  std::uint64_t expired = 0;       // images that retention removed, since the start
};

struct ImagePage {
  std::vector<ImageRecord> images;  // newest first
  std::string next_cursor;          // empty: no more
};

class Storage {
 public:
  template <class T>
  using Callback = std::function<void(Result<T>)>;

  // Opens or creates the data directory, checks and recovers the database, removes orphaned files
  // and transient images (those that were open count as failed: they have no other end).
  // Errors name the path and say what to do.
  static Result<std::unique_ptr<Storage>> open(StorageOptions options);
  ~Storage();  // finishes what was queued, then joins

  const std::string& manager_id() const;  // 32 hex digits, kept in the database
  const std::string& secret() const;      // the same, told to nobody

  // Before any other call: every open image, oldest first, to be scheduled again. Synchronous.
  // Until they are taken, they may be looked at.
  const std::vector<ImageRecord>& open_images() const;
  std::vector<ImageRecord> take_open_images();

  // Makes the images durable (bytes, row, directory entries), then calls back with their records,
  // in the order given. All or none.
  void add_images(std::vector<NewImage> images, Callback<std::vector<ImageRecord>> done);

  // The same, once for each key within a day. kAlreadyExists: the key was used for other images.
  void add_upload(std::optional<UploadKey> key, std::vector<NewImage> images,
                  Callback<StoredUpload> done);

  void register_model(ModelInfo model);

  // Settles one open image and numbers the event. A job that is settled already, or deleted, is
  // kFailedPrecondition or kNotFound: nothing changes.
  void settle(Settlement settlement, Callback<ImageRecord> done);

  void find(ImageId id, Callback<ImageRecord> done);  // kNotFound
  void list(SessionId session, std::size_t limit, std::string cursor, Callback<ImagePage> done);
  // Settled images of the session with settle_seq > after, in settle_seq order.
  void settled_after(SessionId session, std::uint64_t after, std::size_t limit,
                     Callback<std::vector<ImageRecord>> done);
  // Removes image, result and bytes; calls back with what it was.
  void remove(ImageId id, Callback<ImageRecord> done);

  // Called on the storage thread with each image that retention removes, once it is gone.
  void on_expired(std::function<void(const ImageRecord&)> observer);

  // The uploaded bytes, from memory or file.
  void load_bytes(JobId job, Callback<proto::SharedBytes> done);

  // The same where they are in memory: an open image's, within cache_bytes. Else null.
  proto::SharedBytes cached_bytes(JobId job) const;

  // Newest settle_seq given out, and the ledger; kept in memory, exact after each commit.
  std::uint64_t last_seq() const;
  Totals totals() const;

 private:
  class Impl;
  explicit Storage(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace imgrec::manager
