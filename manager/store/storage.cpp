#include "manager/store/storage.h"

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "manager/store/background_sync.h"
#include "manager/store/data_dir.h"
#include "manager/store/data_lock.h"
#include "manager/store/disk_reserve.h"
#include "manager/store/page_cursor.h"
#include "manager/store/storage_tasks.h"

namespace imgrec::manager {
namespace {

namespace fs = std::filesystem;
using Tasks = std::vector<std::unique_ptr<StorageTask>>;

// Tasks in one transaction. More would make the first of them wait for the files of the last.
constexpr std::size_t kMaxBatch = 256;

Status shut_down() {
  return Status(StatusCode::kUnavailable, "the storage is shut down; try again after the restart");
}

}  // namespace

class Storage::Impl {
 public:
  Impl(const StorageOptions& options, UniqueFd lock, std::unique_ptr<Database> db, ImageFiles files,
       std::unique_ptr<BackgroundSync> background)
      : sync_(options.sync),
        lock_(std::move(lock)),
        background_(std::move(background)),
        reserve_(options.data_dir / "reserve"),
        db_(std::move(db)),
        files_(std::move(files)),
        models_(*db_),
        images_(*db_, models_),
        uploads_(*db_),
        cache_(options.cache_bytes),
        store_{*db_, images_, models_, uploads_, files_, cache_, 0, {}, {}},
        retention_(options.retention) {}
  ~Impl();

  Status load();  // before start(): identity, ledger, models; sweeps and finds what is open
  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void push(std::unique_ptr<StorageTask> task);
  template <class T>
  void read(typename ReadTask<T>::Read function, Callback<T> done) {
    push(std::make_unique<ReadTask<T>>(std::move(function), std::move(done)));
  }

  const std::string& manager_id() const { return identity_.manager_id; }
  const std::string& secret() const { return identity_.secret; }
  void on_expired(ExpireTask::Observer observer) {
    const std::scoped_lock lock(queue_mutex_);
    on_expired_ = std::move(observer);
  }
  const std::vector<ImageRecord>& open_images() const { return open_at_start_; }
  std::vector<ImageRecord> take_open() { return std::exchange(open_at_start_, {}); }
  proto::SharedBytes cached_bytes(JobId job) const { return cache_.get(job); }
  Ledger ledger() const {
    const std::scoped_lock lock(ledger_mutex_);
    return published_;
  }

 private:
  Status drop_transient_images();
  Status find_open_images();
  void run();
  bool wait_for_work(Tasks& waiting);
  void add_expiry(Tasks& waiting);
  void run_batch(Tasks& batch);
  void write_files(Tasks& batch);
  Status commit(Tasks& batch);
  Status apply_in_transaction(Tasks& batch);
  Status apply_in_savepoint(StorageTask& task);
  void roll_back(const Ledger& before);
  Status bury_failed_commit();
  void publish();

  const SyncPolicy sync_;
  UniqueFd lock_;                               // first in, last out
  std::unique_ptr<BackgroundSync> background_;  // null but for kInterval; syncs after db_ closed
  DiskReserve reserve_;
  std::unique_ptr<Database> db_;
  ImageFiles files_;
  ModelTable models_;
  ImageTable images_;
  UploadTable uploads_;
  ByteCache cache_;
  StoreContext store_;
  bool failed_commit_ = false;  // one that is in the log, perhaps
  StoreIdentity identity_;
  std::vector<ImageRecord> open_at_start_;
  Retention retention_;  // the storage thread's

  mutable std::mutex ledger_mutex_;
  Ledger published_;  // guarded by ledger_mutex_

  std::mutex queue_mutex_;
  std::condition_variable wake_;
  Tasks queue_;                      // guarded by queue_mutex_
  ExpireTask::Observer on_expired_;  // guarded by queue_mutex_
  bool stopping_ = false;            // guarded by queue_mutex_
  bool closed_ = false;              // guarded by queue_mutex_; the thread takes nothing more

  std::thread thread_;
};

// ---- start ------------------------------------------------------------------------------------

Status Storage::Impl::load() {
  if (Status status = prepare_schema(*db_, sync_); !status.ok()) return status;
  auto identity = load_identity(*db_);
  if (!identity.ok()) return identity.status();
  identity_ = std::move(*identity);
  store_.cursor_key = identity_.cursor_key;
  const auto ledger = load_ledger(*db_);
  if (!ledger.ok()) return ledger.status();
  store_.ledger = *ledger;
  if (Status status = models_.load(); !status.ok()) return status;

  if (Status status = drop_transient_images(); !status.ok()) return status;
  const auto swept = files_.sweep([this](const ImageId& id) { return images_.exists(id); });
  if (!swept.ok()) return swept.status();
  if (*swept > 0) spdlog::info("orphan_files_removed count={}", *swept);
  if (Status status = find_open_images(); !status.ok()) return status;
  reserve_.take();
  publish();
  return Status();
}

// Their rows; the sweep that follows takes their files.
Status Storage::Impl::drop_transient_images() {
  const auto images = images_.of_sessions(kTransientSession);
  if (!images.ok()) return images.status();
  if (images->empty()) return Status();
  if (Status status = Query(*db_, "BEGIN IMMEDIATE").run(); !status.ok()) return status;
  for (const ImageRecord& image : *images) {
    if (Status status = images_.erase(image.job); !status.ok()) return status;
    if (!is_settled(image.state)) ++store_.ledger.failed;
    store_.ledger.stored_bytes -= image.bytes;
  }
  if (Status status = save_ledger(*db_, store_.ledger); !status.ok()) return status;
  spdlog::info("transient_images_removed count={}", images->size());
  return Query(*db_, "COMMIT").run();
}

Status Storage::Impl::find_open_images() {
  auto open = images_.open_images();
  if (!open.ok()) return open.status();
  const auto lost = std::stable_partition(open->begin(), open->end(), [this](const auto& image) {
    return files_.size(image.id) == image.bytes;
  });
  if (lost != open->end()) {
    if (Status status = Query(*db_, "BEGIN IMMEDIATE").run(); !status.ok()) return status;
    for (auto each = lost; each != open->end(); ++each) {
      spdlog::error("image_bytes_lost job={} file={}", each->job.value,
                    files_.path(each->id).string());
      if (Status status = settle_lost_image(store_, *each); !status.ok()) return status;
    }
    if (Status status = save_ledger(*db_, store_.ledger); !status.ok()) return status;
    if (Status status = Query(*db_, "COMMIT").run(); !status.ok()) return status;
    open->erase(lost, open->end());
  }
  open_at_start_ = std::move(*open);
  return Status();
}

Storage::Impl::~Impl() {
  {
    const std::scoped_lock lock(queue_mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

// ---- the thread ---------------------------------------------------------------------------------

void Storage::Impl::push(std::unique_ptr<StorageTask> task) {
  {
    const std::scoped_lock lock(queue_mutex_);
    if (!closed_) {
      queue_.push_back(std::move(task));
      wake_.notify_one();
      return;
    }
  }
  task->outcome = shut_down();
  task->finish(store_);
}

void Storage::Impl::run() {
  ::pthread_setname_np(::pthread_self(), "storage");
  Tasks waiting;
  while (wait_for_work(waiting)) {
    add_expiry(waiting);
    for (std::size_t begin = 0; begin < waiting.size(); begin += kMaxBatch) {
      const std::size_t end = std::min(begin + kMaxBatch, waiting.size());
      Tasks batch(std::make_move_iterator(waiting.begin() + static_cast<std::ptrdiff_t>(begin)),
                  std::make_move_iterator(waiting.begin() + static_cast<std::ptrdiff_t>(end)));
      run_batch(batch);
    }
  }
}

// Takes what is queued; nothing where it is only time to look for expired images. False: the end.
bool Storage::Impl::wait_for_work(Tasks& waiting) {
  std::unique_lock lock(queue_mutex_);
  const auto work = [this] { return !queue_.empty() || stopping_; };
  if (const auto look = retention_.next_look()) {
    wake_.wait_until(lock, *look, work);
  } else {
    wake_.wait(lock, work);
  }
  waiting = std::exchange(queue_, {});
  closed_ = stopping_ && waiting.empty();
  return !closed_;
}

// It shares the transaction, and so the sync, of what else is being done.
void Storage::Impl::add_expiry(Tasks& waiting) {
  if (!retention_.due(std::chrono::steady_clock::now(), store_.ledger.stored_bytes)) return;
  const std::scoped_lock lock(queue_mutex_);
  waiting.push_back(std::make_unique<ExpireTask>(retention_, on_expired_));
}

void Storage::Impl::run_batch(Tasks& batch) {
  write_files(batch);
  const bool changes = std::any_of(batch.begin(), batch.end(), [](const auto& task) {
    return task->changes_database() && task->outcome.ok();
  });
  Status committed;
  if (changes) {
    committed = commit(batch);
    if (committed.code() == StatusCode::kResourceExhausted && reserve_.give_up()) {
      spdlog::warn("disk_full action=\"free space; until then no upload is taken\"");
      for (auto& task : batch) {
        if (task->writes_files() && task->outcome.ok()) task->outcome = committed;
      }
      committed = commit(batch);
    }
  }
  // What only reads is answered from what is stored now, also when the others failed.
  for (auto& task : batch) {
    if (!changes || !committed.ok()) {
      if (task->changes_database()) {
        if (task->outcome.ok()) task->outcome = committed;
      } else {
        task->outcome = task->apply(store_);
      }
    }
  }
  models_.on_commit();
  if (background_ && changes) background_->note_change();
  publish();
  for (auto& task : batch) task->finish(store_);
}

void Storage::Impl::write_files(Tasks& batch) {
  if (reserve_.given_up()) reserve_.take();
  for (auto& task : batch) {
    task->outcome = task->writes_files() && reserve_.given_up()
                        ? Status(StatusCode::kResourceExhausted,
                                 "the disk is full, and its reserve in use; free space on it")
                        : task->write_files(store_);
  }
  if (sync_ != SyncPolicy::kAlways) {
    files_.leave_unsynced();
    return;
  }
  const Status synced = files_.sync_written();
  if (synced.ok()) return;
  spdlog::error("storage_sync_failed error=\"{}\"", synced.message());
  for (auto& task : batch) {
    if (task->writes_files() && task->outcome.ok()) task->outcome = synced;
  }
}

Status Storage::Impl::commit(Tasks& batch) {
  const Ledger before = store_.ledger;
  Status committed = apply_in_transaction(batch);
  if (committed.ok()) return committed;
  spdlog::error("storage_commit_failed error=\"{}\"", committed.message());
  roll_back(before);
  failed_commit_ = true;
  (void)bury_failed_commit();
  return committed;
}

// A task that fails is undone alone. What is returned failed all of them.
Status Storage::Impl::apply_in_transaction(Tasks& batch) {
  if (Status status = bury_failed_commit(); !status.ok()) return status;
  if (Status status = Query(*db_, "BEGIN IMMEDIATE").run(); !status.ok()) return status;
  for (auto& task : batch) {
    if (!task->outcome.ok()) continue;
    task->outcome = apply_in_savepoint(*task);
    // SQLite gave the whole transaction up: disk full, I/O error.
    if (!db_->in_transaction()) return std::exchange(task->outcome, Status());
  }
  if (Status status = save_ledger(*db_, store_.ledger); !status.ok()) return status;
  return Query(*db_, "COMMIT").run();
}

Status Storage::Impl::apply_in_savepoint(StorageTask& task) {
  if (!task.changes_database()) return task.apply(store_);
  const Ledger before = store_.ledger;
  const std::size_t models_before = models_.savepoint();
  if (Status status = Query(*db_, "SAVEPOINT task").run(); !status.ok()) return status;
  Status applied = task.apply(store_);
  if (applied.ok()) return Query(*db_, "RELEASE task").run();
  store_.ledger = before;
  models_.on_rollback(models_before);
  if (db_->in_transaction()) {
    Status undone = Query(*db_, "ROLLBACK TO task").run();
    if (undone.ok()) undone = Query(*db_, "RELEASE task").run();
    if (!undone.ok()) (void)db_->exec("ROLLBACK");  // seen by the caller: nothing of it may stay
  }
  return applied;
}

void Storage::Impl::roll_back(const Ledger& before) {
  if (db_->in_transaction()) {
    if (Status status = db_->exec("ROLLBACK"); !status.ok()) {
      spdlog::critical("storage_rollback_failed error=\"{}\"", status.message());
    }
  }
  store_.ledger = before;
  models_.on_rollback(0);
}

// A commit that failed at its sync has left a whole transaction in the log, which the next start
// would take for a good one: what the client was told is refused would be there. Another
// transaction, one that changes nothing, takes its place, and the log begins anew. Where that
// fails, too, it is tried again before the next transaction.
Status Storage::Impl::bury_failed_commit() {
  if (!failed_commit_) return Status();
  Status status = db_->exec("BEGIN IMMEDIATE");
  // There and back: SQLite does not write a row that is what it was before.
  if (status.ok()) status = db_->exec("UPDATE ledger SET accepted = accepted + 1");
  if (status.ok()) status = save_ledger(*db_, store_.ledger);
  if (status.ok()) status = db_->exec("COMMIT");
  if (status.ok()) status = Query(*db_, "PRAGMA wal_checkpoint(TRUNCATE)").run();
  failed_commit_ = !status.ok();
  if (db_->in_transaction()) (void)db_->exec("ROLLBACK");
  return status;
}

void Storage::Impl::publish() {
  const std::scoped_lock lock(ledger_mutex_);
  published_ = store_.ledger;
}

// ---- the public face --------------------------------------------------------------------------

Result<std::unique_ptr<Storage>> Storage::open(StorageOptions options) {
  const fs::path& dir = options.data_dir;
  if (Status status = make_data_dir(dir); !status.ok()) return status;
  auto lock = lock_data_dir(dir);
  if (!lock.ok()) return lock.status();
  auto files = ImageFiles::open(dir);
  if (!files.ok()) return files.status();
  const fs::path database = dir / "imgrec.db";
  const bool synced_log = options.sync == SyncPolicy::kAlways;
  if (Status status = refuse_damage(database, *files, synced_log); !status.ok()) return status;
  if (Status status = keep_private(database); !status.ok()) return status;
  auto db = Database::open(database);
  if (!db.ok()) return db.status();
  std::unique_ptr<BackgroundSync> background;
  if (options.sync == SyncPolicy::kInterval) {
    auto started = BackgroundSync::start({dir, dir / "images"}, options.sync_interval);
    if (!started.ok()) return started.status();
    background = std::move(*started);
  }
  auto impl = std::make_unique<Impl>(options, std::move(*lock), std::move(*db), std::move(*files),
                                     std::move(background));
  if (Status status = impl->load(); !status.ok()) return status;
  impl->start();
  return std::unique_ptr<Storage>(new Storage(std::move(impl)));
}

Storage::Storage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Storage::~Storage() = default;

const std::string& Storage::manager_id() const { return impl_->manager_id(); }
const std::string& Storage::secret() const { return impl_->secret(); }

const std::vector<ImageRecord>& Storage::open_images() const { return impl_->open_images(); }

std::vector<ImageRecord> Storage::take_open_images() { return impl_->take_open(); }

void Storage::add_images(std::vector<NewImage> images, Callback<std::vector<ImageRecord>> done) {
  impl_->push(std::make_unique<AddTask>(std::nullopt, std::move(images),
                                        [done = std::move(done)](Result<StoredUpload> stored) {
                                          if (!done) return;
                                          if (stored.ok()) {
                                            done(std::move(stored->images));
                                          } else {
                                            done(stored.status());
                                          }
                                        }));
}

void Storage::add_upload(std::optional<UploadKey> key, std::vector<NewImage> images,
                         Callback<StoredUpload> done) {
  impl_->push(std::make_unique<AddTask>(std::move(key), std::move(images), std::move(done)));
}

void Storage::register_model(ModelInfo model) {
  impl_->push(std::make_unique<RegisterModelTask>(std::move(model)));
}

void Storage::settle(Settlement settlement, Callback<ImageRecord> done) {
  impl_->push(std::make_unique<SettleTask>(std::move(settlement), std::move(done)));
}

void Storage::find(ImageId id, Callback<ImageRecord> done) {
  impl_->read<ImageRecord>(
      [id = std::move(id)](StoreContext& store) { return store.images.find(id); }, std::move(done));
}

void Storage::list(SessionId session, std::size_t limit, std::string cursor,
                   Callback<ImagePage> done) {
  const auto read = [session = std::move(session), limit,
                     cursor = std::move(cursor)](StoreContext& store) -> Result<ImagePage> {
    JobId before{std::numeric_limits<std::uint64_t>::max()};
    if (!cursor.empty()) {
      const auto place = decode_cursor(cursor, store.cursor_key);
      if (!place) {
        return Status(StatusCode::kInvalidArgument,
                      "this cursor is not one of ours; take next_cursor as it was given");
      }
      before = *place;
    }
    auto found = store.images.list(session, before, limit);
    if (!found.ok()) return found.status();
    ImagePage page;
    page.images = std::move(*found);
    if (page.images.empty() || page.images.size() < limit) return page;
    // A full page: is there anything behind it?
    const JobId last = page.images.back().job;
    const auto more = store.images.list(session, last, 1);
    if (!more.ok()) return more.status();
    if (!more->empty()) page.next_cursor = encode_cursor(last, store.cursor_key);
    return page;
  };
  impl_->read<ImagePage>(read, std::move(done));
}

void Storage::settled_after(SessionId session, std::uint64_t after, std::size_t limit,
                            Callback<std::vector<ImageRecord>> done) {
  impl_->read<std::vector<ImageRecord>>(
      [session = std::move(session), after, limit](StoreContext& store) {
        return store.images.settled_after(session, after, limit);
      },
      std::move(done));
}

void Storage::remove(ImageId id, Callback<ImageRecord> done) {
  impl_->push(std::make_unique<RemoveTask>(std::move(id), std::move(done)));
}

void Storage::load_bytes(JobId job, Callback<proto::SharedBytes> done) {
  impl_->read<proto::SharedBytes>(
      [job](StoreContext& store) -> Result<proto::SharedBytes> {
        if (auto cached = store.cache.get(job)) return cached;
        const auto image = store.images.find(job);
        if (!image.ok()) return image.status();
        return store.files.read(image->id, image->bytes);
      },
      std::move(done));
}

void Storage::on_expired(std::function<void(const ImageRecord&)> observer) {
  impl_->on_expired(std::move(observer));
}

proto::SharedBytes Storage::cached_bytes(JobId job) const { return impl_->cached_bytes(job); }

std::uint64_t Storage::last_seq() const { return impl_->ledger().last_seq; }

Totals Storage::totals() const {
  const Ledger ledger = impl_->ledger();
  return {ledger.accepted,     ledger.done,
          ledger.failed,       ledger.accepted - ledger.done - ledger.failed,
          ledger.stored_bytes, ledger.expired};
}

}  // namespace imgrec::manager
