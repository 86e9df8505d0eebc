#include "manager/store/upload_table.h"

#include <charconv>
#include <cstdint>
#include <string_view>

namespace imgrec::manager {
namespace {

std::int64_t to_us(WallTime time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

// "17 18 19"
std::string join(const std::vector<ImageRecord>& images) {
  std::string text;
  for (const ImageRecord& image : images) {
    if (!text.empty()) text += ' ';
    text += std::to_string(image.job.value);
  }
  return text;
}

std::vector<JobId> split(std::string_view text) {
  std::vector<JobId> jobs;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    JobId job;
    const auto [stop, error] = std::from_chars(at, end, job.value);
    if (error != std::errc()) break;
    jobs.push_back(job);
    at = stop == end ? end : stop + 1;
  }
  return jobs;
}

}  // namespace

Result<std::optional<UploadTable::Row>> UploadTable::find(const UploadKey& key, WallTime now) {
  Query query(db_,
              "SELECT fingerprint, jobs FROM uploads "
              "WHERE session = ? AND key = ? AND created_us > ?");
  query.text(key.session.text).text(key.key).integer(to_us(now - kKept));
  if (query.step()) {
    Row row;
    row.fingerprint = query.next_text();
    row.jobs = split(query.next_text());
    return std::optional(std::move(row));
  }
  if (!query.status().ok()) return query.status();
  return std::optional<Row>();
}

Status UploadTable::insert(const UploadKey& key, const std::vector<ImageRecord>& images,
                           WallTime now) {
  Query expire(db_,
               "DELETE FROM uploads WHERE (session, key) IN "
               "(SELECT session, key FROM uploads WHERE created_us <= ? LIMIT 10)");
  if (Status status = expire.integer(to_us(now - kKept)).run(); !status.ok()) return status;
  // An old row of this very key may be left: it is replaced.
  const std::string jobs = join(images);
  Query query(db_, "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?)");
  return query.text(key.session.text)
      .text(key.key)
      .text(key.fingerprint)
      .text(jobs)
      .integer(to_us(now))
      .run();
}

}  // namespace imgrec::manager
