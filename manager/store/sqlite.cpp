#include "manager/store/sqlite.h"

#include <utility>

#include <sqlite3.h>

namespace imgrec::manager {
namespace {

StatusCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_TOOBIG:
      return StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return StatusCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
      return StatusCode::kUnavailable;
    default:
      return StatusCode::kInternal;
  }
}

std::string_view advice(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
      return "; free space on its disk";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "; check that the directory is there and can be written";
    case SQLITE_IOERR:
      return "; check its disk (full, failing or gone)";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "; another program has it open, close that one";
    default:
      return "";
  }
}

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file) {
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(file.c_str(), &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (handle == nullptr) {
    return Status(StatusCode::kUnavailable, "database " + file.string() + ": out of memory");
  }
  std::unique_ptr<Database> db(new Database(handle, file));
  if (code != SQLITE_OK) return db->error(code);
  sqlite3_extended_result_codes(handle, 1);
  return db;
}

Database::Database(sqlite3* handle, std::filesystem::path file)
    : handle_(handle), file_(std::move(file)) {}

Database::~Database() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Status Database::exec(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status() : error(code);
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

std::int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(handle_); }

Result<sqlite3_stmt*> Database::prepare(std::string_view sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return error(code);
  statements_.emplace(sql, statement);
  return statement;
}

Status Database::error(int code) const {
  return Status(code_of(code), "database " + file_.string() + ": " + sqlite3_errmsg(handle_) +
                                   " (SQLite code " + std::to_string(code) + ")" +
                                   std::string(advice(code)));
}

Query::Query(Database& db, std::string_view sql) : db_(db) {
  auto statement = db.prepare(sql);
  if (statement.ok()) {
    statement_ = *statement;
  } else {
    status_ = statement.status();
  }
}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Query::check(int code) {
  if (code != SQLITE_OK && status_.ok()) status_ = db_.error(code);
}

Query& Query::integer(std::int64_t value) {
  if (status_.ok()) check(sqlite3_bind_int64(statement_, ++parameter_, value));
  return *this;
}

Query& Query::real(double value) {
  if (status_.ok()) check(sqlite3_bind_double(statement_, ++parameter_, value));
  return *this;
}

Query& Query::text(std::string_view value) {
  if (!status_.ok()) return *this;
  check(sqlite3_bind_text64(statement_, ++parameter_, value.data() ? value.data() : "",
                            value.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Query& Query::blob(std::string_view value) {
  if (!status_.ok()) return *this;
  check(sqlite3_bind_blob64(statement_, ++parameter_, value.data() ? value.data() : "",
                            value.size(), SQLITE_STATIC));
  return *this;
}

Query& Query::null() {
  if (status_.ok()) check(sqlite3_bind_null(statement_, ++parameter_));
  return *this;
}

bool Query::step() {
  if (!status_.ok()) return false;
  column_ = 0;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) check(code);
  return false;
}

Status Query::run() {
  while (step()) {
  }
  return status_;
}

std::int64_t Query::next_integer() { return sqlite3_column_int64(statement_, column_++); }

double Query::next_real() { return sqlite3_column_double(statement_, column_++); }

std::string Query::next_text() {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column_));
  const int size = sqlite3_column_bytes(statement_, column_++);
  return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(size));
}

bool Query::next_is_null() const { return sqlite3_column_type(statement_, column_) == SQLITE_NULL; }

}  // namespace imgrec::manager
