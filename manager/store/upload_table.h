// Which uploads of the last day came with a key (Idempotency-Key), and what they made: so that one
// which is sent again, because its answer was lost, makes nothing twice.
//
// Thread rule: the storage thread. Owns: nothing; borrows the connection.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "manager/core/image_record.h"
#include "manager/store/sqlite.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

class UploadTable {
 public:
  static constexpr std::chrono::hours kKept{24};

  explicit UploadTable(Database& db) : db_(db) {}

  struct Row {
    std::string fingerprint;  // empty: stored by an older program, which made others
    std::vector<JobId> jobs;  // some of them deleted since, perhaps
  };
  // nullopt: no upload of that session has this key, or its day is over.
  Result<std::optional<Row>> find(const UploadKey& key, WallTime now);
  // REQUIRES: find() gave nullopt. Also removes some rows whose day is over: more than it adds.
  Status insert(const UploadKey& key, const std::vector<ImageRecord>& images, WallTime now);

 private:
  Database& db_;
};

}  // namespace imgrec::manager
