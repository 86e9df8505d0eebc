// A thin, owning face of SQLite's C API: a connection, its statements, its errors as Status.
//
// Thread rule: a Database and its queries are used by one thread at a time.
// Owns: the connection and its prepared statements, which are made once and kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "proto/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace imgrec::manager {

class Database {
 public:
  // Opens or creates the file. Errors name it.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs statements that give no rows of interest.
  Status exec(const char* sql);

  // False outside BEGIN … COMMIT, and where SQLite itself rolled back (disk full, I/O error).
  bool in_transaction() const;
  std::int64_t last_insert_id() const;

  const std::filesystem::path& file() const { return file_; }

 private:
  friend class Query;
  Database(sqlite3* handle, std::filesystem::path file);
  Result<sqlite3_stmt*> prepare(std::string_view sql);
  Status error(int code) const;

  sqlite3* handle_;
  std::filesystem::path file_;
  std::map<std::string_view, sqlite3_stmt*> statements_;
};

// One run of one statement. Parameters are bound in order; a failure anywhere shows in status().
class Query {
 public:
  // REQUIRES: `sql` is a literal (it is the statement's key, and must live as long as `db`); no
  // other Query of the same literal is alive.
  Query(Database& db, std::string_view sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Texts and blobs must live until the query is destroyed.
  Query& integer(std::int64_t value);
  Query& real(double value);
  Query& text(std::string_view value);
  Query& blob(std::string_view value);
  Query& null();

  // True: there is a row, read it with the functions below. False: no more, or an error.
  bool step();
  // Steps to the end.
  Status run();
  const Status& status() const { return status_; }

  // Columns count from 0, in order of the SELECT; each call reads the next one.
  std::int64_t next_integer();
  double next_real();
  std::string next_text();  // also for blobs; empty for NULL
  bool next_is_null() const;

 private:
  void check(int code);

  Database& db_;
  sqlite3_stmt* statement_ = nullptr;
  Status status_;
  int parameter_ = 0;
  int column_ = 0;
};

}  // namespace imgrec::manager
