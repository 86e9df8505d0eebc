// The data directory before the storage opens it.
//
// Thread rule: at start, from one thread. Owns: nothing.
#pragma once

#include <filesystem>

#include "manager/store/image_files.h"
#include "proto/status.h"

namespace imgrec::manager {

// Makes it if need be, for its owner alone, with its names durable up to what was there before.
Status make_data_dir(const std::filesystem::path& dir);

// kDataLoss where SQLite would quietly make a new database, or drop a part of the log, and take
// the photos it knows nothing of for orphans. `synced_log`: each commit was synced; else a crash of
// the machine may leave a hole anywhere in the log, and it is taken up to there.
// REQUIRES: nobody has the database open.
Status refuse_damage(const std::filesystem::path& database, const ImageFiles& files,
                     bool synced_log);

// The database is nobody else's to read: it holds the sessions, which are the keys to all photos.
// Makes the file where there is none.
Status keep_private(const std::filesystem::path& database);

}  // namespace imgrec::manager
