// Looks for damage in SQLite's write-ahead log before SQLite opens it. SQLite takes the log up to
// its first bad frame and forgets the rest without a word: right for the last transaction, which a
// crash may cut, and a silent loss of confirmed ones anywhere before that.
// Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
//
// Thread rule: a pure function of the file. Owns: nothing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "proto/status.h"

namespace imgrec::manager {

// What is wrong, in words; nullopt: nothing that a crash would not explain. With commits that are
// synced one after the other, a crash can cut the last transaction and no other: it is damage when
// behind a bad frame there is a transaction of the same log, and the start of one more.
Result<std::optional<std::string>> find_wal_damage(const std::filesystem::path& wal);

}  // namespace imgrec::manager
