#include "manager/store/schema.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/random.h>

namespace imgrec::manager {
namespace {

// Times are microseconds; `created_us` and `settled_us` since 1970, UTC. `state` is 0 queued,
// 1 done, 2 failed. `top` is pairs of u32 class index and f32 score, little-endian, best first; of
// an image that is open, zeros: they keep the room that its answer will take.
constexpr const char* kTables = R"sql(
CREATE TABLE meta(
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE ledger(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  accepted INTEGER NOT NULL,
  done INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  last_seq INTEGER NOT NULL
);
INSERT INTO ledger VALUES (1, 0, 0, 0, 0);

CREATE TABLE models(
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  labels TEXT NOT NULL,  -- one a line
  unsure_below REAL NOT NULL
);

CREATE TABLE images(
  job INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused
  id TEXT NOT NULL UNIQUE,
  session TEXT NOT NULL,
  name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  state INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  settled_us INTEGER,
  settle_seq INTEGER UNIQUE,
  model INTEGER REFERENCES models(id),
  unsure INTEGER NOT NULL DEFAULT 0,
  top BLOB,
  attempts INTEGER NOT NULL DEFAULT 0,
  worker TEXT,
  upload_us INTEGER NOT NULL DEFAULT 0,
  queue_us INTEGER NOT NULL DEFAULT 0,
  wire_us INTEGER NOT NULL DEFAULT 0,
  decode_us INTEGER NOT NULL DEFAULT 0,
  inference_us INTEGER NOT NULL DEFAULT 0,
  total_us INTEGER NOT NULL DEFAULT 0,
  error_code TEXT,
  error_detail TEXT
);
CREATE INDEX images_by_session ON images(session, job);
CREATE INDEX images_by_settlement ON images(session, settle_seq) WHERE settle_seq IS NOT NULL;
CREATE INDEX images_open ON images(job) WHERE state = 0;
PRAGMA user_version = 1;
)sql";

// From version 1 on, step by step; a new database takes the same steps. `jobs` is the numbers of
// the images that the upload made.
constexpr const char* kVersion2 = R"sql(
ALTER TABLE images ADD COLUMN top_k INTEGER NOT NULL DEFAULT 100;

CREATE TABLE uploads(
  session TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  jobs TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  PRIMARY KEY (session, key)
) WITHOUT ROWID;
CREATE INDEX uploads_by_age ON uploads(created_us);

INSERT INTO meta(key, value) VALUES ('secret', lower(hex(randomblob(16))));
PRAGMA user_version = 2;
)sql";

// The fingerprints of uploads are of another kind from here on: those of before are forgotten, and
// repeats of those uploads taken for what they say they are.
//
// Which images are open is in the index of `settle_seq`, too: they have none. One index less is one
// page of the log less for each upload and each result.
constexpr const char* kVersion3 = R"sql(
UPDATE uploads SET fingerprint = '';
DROP INDEX images_open;
PRAGMA user_version = 3;
)sql";

Result<std::int64_t> read_integer(Database& db, std::string_view sql) {
  Query query(db, sql);
  if (query.step()) return query.next_integer();
  if (!query.status().ok()) return query.status();
  return Status(StatusCode::kDataLoss, "database " + db.file().string() + ": no row for " +
                                           std::string(sql) + "; restore it from a backup");
}

Status check_integrity(Database& db) {
  Query query(db, "PRAGMA quick_check(1)");
  if (query.step()) {
    const std::string verdict = query.next_text();
    return verdict == "ok" ? Status() : damaged(db.file(), verdict);
  }
  if (query.status().code() == StatusCode::kDataLoss)
    return damaged(db.file(), query.status().message());
  return query.status();
}

Status insert_identity(Database& db) {
  Query insert(db, "INSERT INTO meta(key, value) VALUES ('manager_id', ?), ('cursor_key', ?)");
  const std::string id = random_id();
  const std::string key = random_id().substr(16);
  return insert.text(id).text(key).run();
}

// Makes what is missing since `version`; 0: everything. All or nothing.
Status make_tables(Database& db, std::int64_t version) {
  if (Status status = db.exec("BEGIN IMMEDIATE"); !status.ok()) return status;
  Status status;
  if (version < 1) {
    status = db.exec(kTables);
    if (status.ok()) status = insert_identity(db);
  }
  if (status.ok() && version < 2) status = db.exec(kVersion2);
  if (status.ok() && version < 3) status = db.exec(kVersion3);
  if (status.ok()) status = db.exec("COMMIT");
  if (!status.ok() && db.in_transaction()) (void)db.exec("ROLLBACK");
  return status;
}

Result<std::string> read_meta(Database& db, std::string_view key) {
  Query query(db, "SELECT value FROM meta WHERE key = ?");
  if (query.text(key).step()) return query.next_text();
  if (!query.status().ok()) return query.status();
  return damaged(db.file(), "no " + std::string(key) + " in table meta");
}

// How every connection of ours works.
Status set_up(Database& db, SyncPolicy sync) {
  // NORMAL syncs at checkpoints only: a crash of the machine costs the last commits, not the file.
  const char* synchronous =
      sync == SyncPolicy::kAlways ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL";
  for (const char* sql : {"PRAGMA journal_mode = WAL", synchronous, "PRAGMA foreign_keys = ON"}) {
    if (Status status = db.exec(sql); !status.ok()) return status;
  }
  return Status();
}

// What the ledger says of the images that there are. Those that were deleted are in it alone.
Result<Ledger> check_ledger(Database& db, Ledger ledger) {
  Query query(db,
              "SELECT coalesce(sum(state = 0), 0), coalesce(sum(state = 1), 0), "
              "coalesce(sum(state = 2), 0), coalesce(max(settle_seq), 0), "
              "coalesce(sum(bytes), 0) FROM images");
  if (!query.step()) return query.status().ok() ? damaged(db.file(), "no images") : query.status();
  const auto open = static_cast<std::uint64_t>(query.next_integer());
  const auto done = static_cast<std::uint64_t>(query.next_integer());
  const auto failed = static_cast<std::uint64_t>(query.next_integer());
  const auto last_seq = static_cast<std::uint64_t>(query.next_integer());
  ledger.stored_bytes = static_cast<std::uint64_t>(query.next_integer());
  const bool balances = ledger.accepted == ledger.done + ledger.failed + open;
  if (!balances || done > ledger.done || failed > ledger.failed || last_seq > ledger.last_seq) {
    return damaged(db.file(), "its ledger and its images do not agree");
  }
  return ledger;
}

}  // namespace

Status prepare_schema(Database& db, SyncPolicy sync) {
  // One connection ever: this also keeps out tools that would write beside us.
  if (Status status = db.exec("PRAGMA locking_mode = EXCLUSIVE"); !status.ok()) return status;
  if (Status status = check_integrity(db); !status.ok()) return status;

  const auto version = read_integer(db, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version > kSchemaVersion) {
    return Status(StatusCode::kFailedPrecondition,
                  "the database " + db.file().string() + " has schema version " +
                      std::to_string(*version) + ", this program knows up to " +
                      std::to_string(kSchemaVersion) +
                      "; start the newer program that made it, or use another data directory");
  }
  const auto tables = read_integer(db, "SELECT count(*) FROM sqlite_master");
  if (!tables.ok()) return tables.status();
  if (*version < 0 || (*version == 0 && *tables != 0)) {
    return Status(StatusCode::kFailedPrecondition,
                  "the database " + db.file().string() +
                      " was not made by this program; use another data directory");
  }
  if (Status status = set_up(db, sync); !status.ok()) return status;
  return *version < kSchemaVersion ? make_tables(db, *version) : Status();
}

Result<StoreIdentity> load_identity(Database& db) {
  StoreIdentity identity;
  const auto id = read_meta(db, "manager_id");
  if (!id.ok()) return id.status();
  identity.manager_id = *id;
  const auto key = read_meta(db, "cursor_key");
  if (!key.ok()) return key.status();
  identity.cursor_key = std::strtoull(key->c_str(), nullptr, 16);
  const auto secret = read_meta(db, "secret");
  if (!secret.ok()) return secret.status();
  identity.secret = *secret;
  return identity;
}

Result<Ledger> load_ledger(Database& db) {
  Query query(db, "SELECT accepted, done, failed, last_seq FROM ledger");
  if (!query.step()) return query.status().ok() ? damaged(db.file(), "no ledger") : query.status();
  Ledger ledger;
  ledger.accepted = static_cast<std::uint64_t>(query.next_integer());
  ledger.done = static_cast<std::uint64_t>(query.next_integer());
  ledger.failed = static_cast<std::uint64_t>(query.next_integer());
  ledger.last_seq = static_cast<std::uint64_t>(query.next_integer());
  return check_ledger(db, ledger);
}

Status save_ledger(Database& db, const Ledger& ledger) {
  Query query(db, "UPDATE ledger SET accepted = ?, done = ?, failed = ?, last_seq = ?");
  return query.integer(static_cast<std::int64_t>(ledger.accepted))
      .integer(static_cast<std::int64_t>(ledger.done))
      .integer(static_cast<std::int64_t>(ledger.failed))
      .integer(static_cast<std::int64_t>(ledger.last_seq))
      .run();
}

Status damaged(const std::filesystem::path& file, const std::string& why) {
  return Status(StatusCode::kDataLoss,
                "the database " + file.string() + " is damaged (" + why +
                    "). Nothing was changed or deleted. Restore the data directory from a backup, "
                    "or try `sqlite3 " +
                    file.string() + " .recover`, or move the directory away to start empty");
}

std::string random_id() {
  std::array<unsigned char, 16> bits{};
  std::size_t got = 0;
  while (got < bits.size()) {  // it fails only when interrupted before the system has entropy
    const ssize_t n = ::getrandom(bits.data() + got, bits.size() - got, 0);
    if (n > 0) got += static_cast<std::size_t>(n);
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  text.reserve(32);
  for (const unsigned char byte : bits) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

}  // namespace imgrec::manager
