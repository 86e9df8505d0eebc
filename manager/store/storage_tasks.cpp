#include "manager/store/storage_tasks.h"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace imgrec::manager {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::steady_clock;

WallTime wall_now() {  // as precise as it is stored
  return std::chrono::time_point_cast<microseconds>(std::chrono::system_clock::now());
}

microseconds since(steady_clock::time_point start) {
  return std::max(duration_cast<microseconds>(steady_clock::now() - start), microseconds(0));
}

Status settled_already(JobId job) {
  return Status(StatusCode::kFailedPrecondition,
                "job " + std::to_string(job.value) + " is settled already; its result stays");
}

}  // namespace

// ---- add --------------------------------------------------------------------------------------

// Once before files are written, and again in apply(): the same upload may be twice in one
// transaction, and its images may settle or be deleted in it.
Status AddTask::find_earlier(StoreContext& store) {
  if (!key_) return Status();
  auto row = store.uploads.find(*key_, wall_now());
  if (!row.ok()) return row.status();
  if (!row->has_value()) return Status();
  const std::string& known = (*row)->fingerprint;
  if (!known.empty() && known != key_->fingerprint) {
    return Status(StatusCode::kAlreadyExists,
                  "this Idempotency-Key was used for another upload within the last day: make a "
                  "new key for each upload, and keep it for repeats of the same one only");
  }
  replayed_ = true;
  earlier_.clear();
  for (const JobId job : (*row)->jobs) {
    auto image = store.images.find(job);
    if (image.ok()) {
      earlier_.push_back(*std::move(image));
    } else if (image.status().code() != StatusCode::kNotFound) {
      return image.status();
    }
  }
  return Status();
}

void AddTask::forget_files(StoreContext& store) {
  for (const ImageRecord& record : records_) store.files.remove(record.id);
}

Status AddTask::write_files(StoreContext& store) {
  if (Status status = find_earlier(store); !status.ok() || replayed_) return status;
  records_.reserve(images_.size());
  for (const NewImage& image : images_) {
    if (image.bytes == nullptr) {
      return Status(StatusCode::kInvalidArgument, "image \"" + image.name + "\" has no bytes");
    }
    ImageRecord record;
    record.id = ImageId{random_id()};
    record.session = image.session;
    record.name = image.name;
    record.media_type = image.media_type;
    record.bytes = image.bytes->size();
    record.width = image.width;
    record.height = image.height;
    record.top_k = image.top_k;
    if (Status status = store.files.write(record.id, *image.bytes); !status.ok()) return status;
    records_.push_back(std::move(record));
  }
  return Status();
}

Status AddTask::apply(StoreContext& store) {
  if (Status status = find_earlier(store); !status.ok() || replayed_) return status;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    ImageRecord& record = records_[i];
    record.created = wall_now();
    record.timing.upload = since(images_[i].received);  // settling stores it with the commit's time
    const auto job = store.images.insert(record);
    if (!job.ok()) return job.status();
    record.job = *job;
    store.ledger.stored_bytes += record.bytes;
  }
  store.ledger.accepted += records_.size();
  return key_ ? store.uploads.insert(*key_, records_, wall_now()) : Status();
}

void AddTask::finish(StoreContext& store) {
  if (!outcome.ok() || replayed_) {
    forget_files(store);
    if (!done_) return;
    if (outcome.ok()) {
      done_(StoredUpload{std::move(earlier_), true});
    } else {
      done_(outcome);
    }
    return;
  }
  for (std::size_t i = 0; i < records_.size(); ++i) {
    ImageRecord& record = records_[i];
    record.timing.upload = since(images_[i].received);
    store.accepted[record.job] = {images_[i].received, record.timing.upload};
    store.cache.put(record.job, std::move(images_[i].bytes));
  }
  if (done_) done_(StoredUpload{std::move(records_), false});
}

// ---- register a model -------------------------------------------------------------------------

Status RegisterModelTask::apply(StoreContext& store) {
  store.models.add(model_);  // may be called again
  return Status();
}

// ---- settle -----------------------------------------------------------------------------------

Status SettleTask::apply(StoreContext& store) {
  auto found = store.images.find(settlement_.job);
  if (!found.ok()) return found.status();
  if (is_settled(found->state)) return settled_already(settlement_.job);
  record_ = std::move(*found);

  const ModelInfo* model = nullptr;
  std::optional<std::int64_t> model_row;
  if (settlement_.done) {
    model = store.models.find(settlement_.model_digest);
    if (model == nullptr) {
      return Status(StatusCode::kInvalidArgument,
                    "job " + std::to_string(settlement_.job.value) + " was answered by model " +
                        settlement_.model_digest + ", which was never registered");
    }
    const auto row = store.models.stored(settlement_.model_digest);
    if (!row.ok()) return row.status();
    model_row = *row;
  }
  fill_in(store, model);
  record_.settle_seq = store.ledger.last_seq + 1;
  if (Status status = store.images.settle(record_, model_row); !status.ok()) return status;
  ++store.ledger.last_seq;
  ++(settlement_.done ? store.ledger.done : store.ledger.failed);
  return Status();
}

void SettleTask::fill_in(StoreContext& store, const ModelInfo* model) {
  record_.settled = wall_now();
  record_.worker = settlement_.worker;
  record_.attempts = settlement_.attempts;
  const auto stored_upload = record_.timing.upload;
  record_.timing = settlement_.timing;
  record_.timing.push = microseconds(0);
  const auto accepted = store.accepted.find(record_.job);
  if (accepted != store.accepted.end()) {
    record_.timing.upload = accepted->second.upload;
    record_.timing.total = since(accepted->second.received);
  } else {  // accepted before a restart
    record_.timing.upload = stored_upload;
    const auto open = duration_cast<microseconds>(*record_.settled - record_.created);
    record_.timing.total = stored_upload + std::max(open, microseconds(0));
  }
  if (!settlement_.done) {
    record_.state = ImageState::kFailed;
    record_.error = settlement_.error.value_or(ImageError{"internal", "No reason was given."});
    return;
  }
  record_.state = ImageState::kDone;
  record_.model = model->name;
  record_.model_digest = model->digest;
  const std::size_t kept = std::min<std::size_t>(settlement_.top.size(), record_.top_k);
  for (std::size_t i = 0; i < kept; ++i) {
    const auto& [index, score] = settlement_.top[i];
    const bool known = index < model->labels.size();
    record_.top.push_back({index, known ? model->labels[index] : std::string(), score});
  }
  record_.unsure = !record_.top.empty() && record_.top.front().score < model->unsure_below;
}

void SettleTask::finish(StoreContext& store) {
  if (outcome.ok()) {
    store.accepted.erase(record_.job);
    store.cache.drop(record_.job);
  }
  if (!done_) return;
  if (outcome.ok()) {
    done_(std::move(record_));
  } else {
    done_(outcome);
  }
}

Status settle_lost_image(StoreContext& store, ImageRecord image) {
  image.state = ImageState::kFailed;
  image.settled = wall_now();
  image.timing.total =
      image.timing.upload +
      std::max(duration_cast<microseconds>(*image.settled - image.created), microseconds(0));
  image.error = ImageError{
      "bytes_lost", "The stored file of this image is missing or damaged. Please upload it again."};
  image.settle_seq = store.ledger.last_seq + 1;
  if (Status status = store.images.settle(image, std::nullopt); !status.ok()) return status;
  ++store.ledger.last_seq;
  ++store.ledger.failed;
  return Status();
}

// ---- remove -----------------------------------------------------------------------------------

Status RemoveTask::apply(StoreContext& store) {
  auto found = store.images.find(id_);
  if (!found.ok()) return found.status();
  record_ = std::move(*found);
  if (Status status = store.images.erase(record_.job); !status.ok()) return status;
  if (!is_settled(record_.state)) ++store.ledger.failed;  // it will have no other end
  store.ledger.stored_bytes -= record_.bytes;
  return Status();
}

void RemoveTask::finish(StoreContext& store) {
  if (outcome.ok()) {
    store.files.remove(record_.id);
    store.accepted.erase(record_.job);
    store.cache.drop(record_.job);
  }
  if (!done_) return;
  if (outcome.ok()) {
    done_(std::move(record_));
  } else {
    done_(outcome);
  }
}

// ---- expire -----------------------------------------------------------------------------------

Status ExpireTask::apply(StoreContext& store) {
  removed_.clear();  // of a transaction that failed
  auto oldest = store.images.settled_first(Retention::kBatch);
  if (!oldest.ok()) return oldest.status();
  const WallTime now = wall_now();
  for (ImageRecord& image : *oldest) {
    if (!retention_.expired(image.settled.value_or(now), now, store.ledger.stored_bytes)) break;
    if (Status status = store.images.erase(image.job); !status.ok()) return status;
    store.ledger.stored_bytes -= image.bytes;
    ++store.ledger.expired;  // it stays counted as done or failed
    removed_.push_back(std::move(image));
  }
  return Status();
}

// Rows first, then files: a file that a crash leaves behind is swept at the next start.
void ExpireTask::finish(StoreContext& store) {
  const auto now = steady_clock::now();
  if (!outcome.ok()) {
    spdlog::error("retention_failed error=\"{}\"", outcome.message());
    retention_.looked(now, std::nullopt, store.ledger.stored_bytes);
    return;
  }
  for (const ImageRecord& image : removed_) {
    store.files.remove(image.id);
    if (observer_) observer_(image);
  }
  retention_.looked(now, removed_.size(), store.ledger.stored_bytes);
}

}  // namespace imgrec::manager
