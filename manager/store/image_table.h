// The images' rows: what SQL there is about them.
//
// Thread rule: the storage thread. Owns: nothing; borrows the connection and the models.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "manager/core/image_record.h"
#include "manager/store/model_table.h"
#include "manager/store/sqlite.h"

namespace imgrec::manager {

class ImageTable {
 public:
  ImageTable(Database& db, const ModelTable& models) : db_(db), models_(models) {}

  // Stores a queued image; gives its job number. Its row has room for an answer of the newest
  // model: one that grew by as much would not fit where it is, and its neighbours would be written,
  // too.
  Result<JobId> insert(const ImageRecord& image);
  // Writes what settling changed. `model`: the row of the model that answered, if one did.
  Status settle(const ImageRecord& image, std::optional<std::int64_t> model);
  Status erase(JobId job);

  Result<ImageRecord> find(const ImageId& id);  // kNotFound
  Result<ImageRecord> find(JobId job);          // kNotFound
  Result<bool> exists(const ImageId& id);

  Result<std::vector<ImageRecord>> open_images();  // oldest first
  // Of every session whose name begins so. REQUIRES: not empty, and no last byte of 0xff.
  Result<std::vector<ImageRecord>> of_sessions(std::string_view prefix);
  Result<std::vector<ImageRecord>> settled_first(std::size_t limit);  // settled longest ago first
  // Newest first, with job numbers below `before`.
  Result<std::vector<ImageRecord>> list(const SessionId& session, JobId before, std::size_t limit);
  Result<std::vector<ImageRecord>> settled_after(const SessionId& session, std::uint64_t seq,
                                                 std::size_t limit);

 private:
  ImageRecord read(Query& row) const;
  std::vector<Prediction> read_top(std::string_view blob, const ModelInfo* model) const;
  Result<std::vector<ImageRecord>> read_all(Query& query) const;

  Database& db_;
  const ModelTable& models_;
};

}  // namespace imgrec::manager
