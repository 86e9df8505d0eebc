// The models that have answered: stored once each, kept in memory, pointed to by results.
//
// Thread rule: the storage thread. Owns: the models' labels; borrows the connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "manager/store/sqlite.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

class ModelTable {
 public:
  explicit ModelTable(Database& db) : db_(db) {}

  Status load();
  void add(ModelInfo model);  // known by its digest from now on; stored when first needed

  const ModelInfo* find(const std::string& digest) const;  // nullptr: never added
  const ModelInfo* find(std::int64_t row) const;

  std::size_t newest_classes() const { return newest_classes_; }  // of the last one added; or 0

  // The model's row, inserted if need be. REQUIRES: find(digest), and a transaction.
  Result<std::int64_t> stored(const std::string& digest);
  // What was inserted after savepoint() gave `mark` was rolled back (0: since on_commit()).
  std::size_t savepoint() const { return uncommitted_.size(); }
  void on_rollback(std::size_t mark);
  void on_commit() { uncommitted_.clear(); }

 private:
  struct Entry {
    std::int64_t row = 0;  // 0: not stored
    ModelInfo info;
  };

  Database& db_;
  std::size_t newest_classes_ = 0;
  std::map<std::string, Entry> by_digest_;
  std::map<std::int64_t, const ModelInfo*> by_row_;
  std::vector<std::string> uncommitted_;  // digests
};

}  // namespace imgrec::manager
