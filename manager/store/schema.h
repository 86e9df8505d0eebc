// The database's schema: made in a new database, checked in an existing one.
//
// Thread rule: the thread that owns the connection. Owns: nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "manager/store/sqlite.h"
#include "manager/store/sync_policy.h"
#include "proto/status.h"

namespace imgrec::manager {

inline constexpr std::int64_t kSchemaVersion = 3;  // PRAGMA user_version

// Sets the connection up (WAL; with kAlways each commit is synced, else only what keeps the file
// itself whole), checks the file's integrity, makes the tables where there are none, and brings
// those of an older program up to date. kDataLoss: damaged. kFailedPrecondition: of a newer
// program, or not ours.
Status prepare_schema(Database& db, SyncPolicy sync);

// What is made once per data directory and never changes.
struct StoreIdentity {
  std::string manager_id;        // 32 hex digits
  std::string secret;            // the same
  std::uint64_t cursor_key = 0;  // secret; see page_cursor.h
};
Result<StoreIdentity> load_identity(Database& db);

// accepted = done + failed + open. A deleted image stays counted; one that was open counts as
// failed.
struct Ledger {
  std::uint64_t accepted = 0;
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t last_seq = 0;  // newest settle_seq given out

  // Not stored: counted at start, and kept with the rest through commits and rollbacks.
  std::uint64_t stored_bytes = 0;  // uploaded bytes of all images there are
  std::uint64_t expired = 0;       // images removed by retention since the start
};
// Checked against the images: kDataLoss where the two cannot both be true.
Result<Ledger> load_ledger(Database& db);
Status save_ledger(Database& db, const Ledger& ledger);

// The error of a database that lost something, with what to do about it.
Status damaged(const std::filesystem::path& file, const std::string& why);

// 128 random bits as 32 lower-case hex digits.
std::string random_id();

}  // namespace imgrec::manager
