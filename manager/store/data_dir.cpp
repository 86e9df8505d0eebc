#include "manager/store/data_dir.h"

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include "common/unique_fd.h"
#include "manager/store/schema.h"
#include "manager/store/wal_check.h"

namespace imgrec::manager {

namespace fs = std::filesystem;

Status make_data_dir(const fs::path& dir) {
  std::error_code error;
  std::vector<fs::path> parents;
  for (fs::path each = fs::absolute(dir, error); !error && !fs::exists(each, error);
       each = each.parent_path()) {
    parents.push_back(each.parent_path());
  }
  if (fs::create_directories(dir, error)) {
    fs::permissions(dir, fs::perms::owner_all, error);
  }
  if (error) return file_error("make directory", dir, error.value());
  for (const fs::path& parent : parents) {
    if (Status status = sync_directory(parent); !status.ok()) return status;
  }
  return Status();
}

// SQLite gives the files that it makes beside the database the database's own permissions.
Status keep_private(const fs::path& database) {
  const UniqueFd made(::open(database.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!made) return file_error("open", database, errno);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const fs::path file = database.string() + suffix;
    if (::chmod(file.c_str(), 0600) != 0 && errno != ENOENT) {
      return file_error("change permissions of", file, errno);
    }
  }
  return Status();
}

Status refuse_damage(const fs::path& database, const ImageFiles& files, bool synced_log) {
  std::error_code error;
  constexpr std::uintmax_t kSmallestPage = 512;  // to SQLite a shorter file is a new one
  if (!fs::exists(database, error) || fs::file_size(database, error) < kSmallestPage) {
    // Made anew it would take every stored image for an orphan.
    const auto any = files.any();
    if (!any.ok()) return any.status();
    return *any ? damaged(database, "it is missing or empty, and there are stored images")
                : Status();
  }
  if (!synced_log) return Status();
  const auto wal = find_wal_damage(database.string() + "-wal");
  if (!wal.ok()) return wal.status();
  if (!*wal) return Status();
  return damaged(database,
                 **wal +
                     "; after a power loss with storage.sync=interval or none it may look "
                     "like this: start once more with that, and it is taken up to there");
}

}  // namespace imgrec::manager
