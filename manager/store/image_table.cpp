#include "manager/store/image_table.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <utility>

namespace imgrec::manager {
namespace {

using std::chrono::microseconds;

#define IMGREC_IMAGE_COLUMNS                                                            \
  "job, id, session, name, media_type, bytes, width, height, state, created_us, "       \
  "settled_us, settle_seq, model, unsure, top, attempts, worker, upload_us, queue_us, " \
  "wire_us, decode_us, inference_us, total_us, error_code, error_detail, top_k"

enum StoredState : std::int64_t { kStoredQueued = 0, kStoredDone = 1, kStoredFailed = 2 };

std::int64_t to_us(WallTime time) {
  return std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count();
}

WallTime from_us(std::int64_t us) { return WallTime(microseconds(us)); }

std::int64_t clamp_to_sqlite(std::uint64_t value) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return static_cast<std::int64_t>(std::min(value, kMax));
}

void append_u32(std::string& blob, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) blob += static_cast<char>(value >> shift);
}

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

constexpr std::size_t kPredictionBytes = 8;  // of `top`
// What settling adds to a row beside `top`: times, numbers, a worker's name.
constexpr std::size_t kRestOfAnAnswer = 64;

std::string pack_top(const std::vector<Prediction>& top) {
  std::string blob;
  blob.reserve(top.size() * kPredictionBytes);
  for (const Prediction& prediction : top) {
    append_u32(blob, prediction.index);
    append_u32(blob, std::bit_cast<std::uint32_t>(prediction.score));
  }
  return blob;
}

Status not_found(const std::string& what) {
  return Status(StatusCode::kNotFound, what + " is not stored here; it may have been deleted");
}

}  // namespace

Result<JobId> ImageTable::insert(const ImageRecord& image) {
  const std::size_t predictions = std::min<std::size_t>(image.top_k, models_.newest_classes());
  const std::size_t room = kPredictionBytes * predictions + kRestOfAnAnswer;
  Query query(db_,
              "INSERT INTO images(id, session, name, media_type, bytes, width, height, state, "
              "created_us, upload_us, top_k, top) "
              "VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, zeroblob(?))");
  Status status = query.text(image.id.text)
                      .text(image.session.text)
                      .text(image.name)
                      .text(image.media_type)
                      .integer(clamp_to_sqlite(image.bytes))
                      .integer(image.width)
                      .integer(image.height)
                      .integer(to_us(image.created))
                      .integer(image.timing.upload.count())
                      .integer(image.top_k)
                      .integer(static_cast<std::int64_t>(room))
                      .run();
  if (!status.ok()) return status;
  return JobId{static_cast<std::uint64_t>(db_.last_insert_id())};
}

Status ImageTable::settle(const ImageRecord& image, std::optional<std::int64_t> model) {
  const std::string top = pack_top(image.top);
  Query query(db_,
              "UPDATE images SET state = ?, settled_us = ?, settle_seq = ?, unsure = ?, top = ?, "
              "attempts = ?, worker = ?, upload_us = ?, queue_us = ?, wire_us = ?, decode_us = ?, "
              "inference_us = ?, total_us = ?, model = ?, error_code = ?, error_detail = ? "
              "WHERE job = ?");
  query.integer(image.state == ImageState::kDone ? kStoredDone : kStoredFailed)
      .integer(to_us(image.settled.value_or(WallTime{})))
      .integer(clamp_to_sqlite(image.settle_seq))
      .integer(image.unsure ? 1 : 0)
      .blob(top)
      .integer(image.attempts)
      .text(image.worker)
      .integer(image.timing.upload.count())
      .integer(image.timing.queue.count())
      .integer(image.timing.wire.count())
      .integer(image.timing.decode.count())
      .integer(image.timing.inference.count())
      .integer(image.timing.total.count());
  model ? query.integer(*model) : query.null();
  if (image.error) {
    query.text(image.error->code).text(image.error->detail);
  } else {
    query.null().null();
  }
  return query.integer(clamp_to_sqlite(image.job.value)).run();
}

Status ImageTable::erase(JobId job) {
  Query query(db_, "DELETE FROM images WHERE job = ?");
  return query.integer(clamp_to_sqlite(job.value)).run();
}

Result<ImageRecord> ImageTable::find(const ImageId& id) {
  Query query(db_, "SELECT " IMGREC_IMAGE_COLUMNS " FROM images WHERE id = ?");
  if (query.text(id.text).step()) return read(query);
  return query.status().ok() ? not_found("image " + id.text) : query.status();
}

Result<ImageRecord> ImageTable::find(JobId job) {
  Query query(db_, "SELECT " IMGREC_IMAGE_COLUMNS " FROM images WHERE job = ?");
  if (query.integer(clamp_to_sqlite(job.value)).step()) return read(query);
  return query.status().ok() ? not_found("job " + std::to_string(job.value)) : query.status();
}

Result<bool> ImageTable::exists(const ImageId& id) {
  Query query(db_, "SELECT 1 FROM images WHERE id = ?");
  const bool found = query.text(id.text).step();
  if (!query.status().ok()) return query.status();
  return found;
}

Result<std::vector<ImageRecord>> ImageTable::open_images() {
  Query query(db_,
              "SELECT " IMGREC_IMAGE_COLUMNS " FROM images WHERE settle_seq IS NULL ORDER BY job");
  return read_all(query);
}

Result<std::vector<ImageRecord>> ImageTable::of_sessions(std::string_view prefix) {
  std::string behind(prefix);  // the first text that is behind all of them
  ++behind.back();
  Query query(db_, "SELECT " IMGREC_IMAGE_COLUMNS
                   " FROM images WHERE session >= ? AND session < ? ORDER BY job");
  query.text(prefix).text(behind);
  return read_all(query);
}

Result<std::vector<ImageRecord>> ImageTable::settled_first(std::size_t limit) {
  Query query(db_, "SELECT " IMGREC_IMAGE_COLUMNS
                   " FROM images WHERE settle_seq IS NOT NULL ORDER BY settle_seq LIMIT ?");
  query.integer(clamp_to_sqlite(limit));
  return read_all(query);
}

Result<std::vector<ImageRecord>> ImageTable::list(const SessionId& session, JobId before,
                                                  std::size_t limit) {
  Query query(db_, "SELECT " IMGREC_IMAGE_COLUMNS
                   " FROM images WHERE session = ? AND job < ? ORDER BY job DESC LIMIT ?");
  query.text(session.text).integer(clamp_to_sqlite(before.value)).integer(clamp_to_sqlite(limit));
  return read_all(query);
}

Result<std::vector<ImageRecord>> ImageTable::settled_after(const SessionId& session,
                                                           std::uint64_t seq, std::size_t limit) {
  Query query(db_, "SELECT " IMGREC_IMAGE_COLUMNS
                   " FROM images WHERE session = ? AND settle_seq > ? ORDER BY settle_seq LIMIT ?");
  query.text(session.text).integer(clamp_to_sqlite(seq)).integer(clamp_to_sqlite(limit));
  return read_all(query);
}

Result<std::vector<ImageRecord>> ImageTable::read_all(Query& query) const {
  std::vector<ImageRecord> images;
  while (query.step()) images.push_back(read(query));
  if (!query.status().ok()) return query.status();
  return images;
}

// In the order of IMGREC_IMAGE_COLUMNS.
ImageRecord ImageTable::read(Query& row) const {
  ImageRecord image;
  image.job = JobId{static_cast<std::uint64_t>(row.next_integer())};
  image.id = ImageId{row.next_text()};
  image.session = SessionId{row.next_text()};
  image.name = row.next_text();
  image.media_type = row.next_text();
  image.bytes = static_cast<std::uint64_t>(row.next_integer());
  image.width = static_cast<std::uint32_t>(row.next_integer());
  image.height = static_cast<std::uint32_t>(row.next_integer());
  const std::int64_t state = row.next_integer();
  image.state = state == kStoredQueued ? ImageState::kQueued
                : state == kStoredDone ? ImageState::kDone
                                       : ImageState::kFailed;
  image.created = from_us(row.next_integer());
  const bool settled = !row.next_is_null();
  const std::int64_t settled_us = row.next_integer();
  if (settled) image.settled = from_us(settled_us);
  image.settle_seq = static_cast<std::uint64_t>(row.next_integer());
  const ModelInfo* model = models_.find(row.next_integer());
  if (model != nullptr) {
    image.model = model->name;
    image.model_digest = model->digest;
  }
  image.unsure = row.next_integer() != 0;
  const std::string top = row.next_text();
  if (settled) image.top = read_top(top, model);  // before, it only keeps the place
  image.attempts = static_cast<std::uint32_t>(row.next_integer());
  image.worker = row.next_text();
  image.timing.upload = microseconds(row.next_integer());
  image.timing.queue = microseconds(row.next_integer());
  image.timing.wire = microseconds(row.next_integer());
  image.timing.decode = microseconds(row.next_integer());
  image.timing.inference = microseconds(row.next_integer());
  image.timing.total = microseconds(row.next_integer());
  const bool failed = !row.next_is_null();
  ImageError error{row.next_text(), row.next_text()};
  if (failed) image.error = std::move(error);
  image.top_k = static_cast<std::uint16_t>(row.next_integer());
  return image;
}

std::vector<Prediction> ImageTable::read_top(std::string_view blob, const ModelInfo* model) const {
  std::vector<Prediction> top;
  top.reserve(blob.size() / kPredictionBytes);
  for (; blob.size() >= kPredictionBytes; blob.remove_prefix(kPredictionBytes)) {
    Prediction prediction;
    prediction.index = read_u32(blob);
    prediction.score = std::bit_cast<float>(read_u32(blob.substr(4)));
    if (model != nullptr && prediction.index < model->labels.size()) {
      prediction.label = model->labels[prediction.index];
    }
    top.push_back(std::move(prediction));
  }
  return top;
}

}  // namespace imgrec::manager
