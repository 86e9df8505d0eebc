#include "manager/store/data_lock.h"

#include <array>
#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/file.h>

#include "manager/store/image_files.h"

namespace imgrec::manager {

Result<UniqueFd> lock_data_dir(const std::filesystem::path& data_dir) {
  const auto path = data_dir / "lock";
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return file_error("open", path, errno);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error("lock", path, errno);
    std::array<char, 32> pid{};
    const ssize_t n = ::read(file.get(), pid.data(), pid.size() - 1);
    std::string holder(pid.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    return Status(StatusCode::kFailedPrecondition,
                  "the data directory " + data_dir.string() + " is in use by process " +
                      (holder.empty() ? "(unknown)" : holder) +
                      "; stop that manager, or give this one another data directory");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  // The pid is for people: where the disk is full, the lock holds without it.
  if (::ftruncate(file.get(), 0) == 0) {
    [[maybe_unused]] const ssize_t n = ::pwrite(file.get(), pid.data(), pid.size(), 0);
  }
  return file;
}

}  // namespace imgrec::manager
