#include "manager/store/disk_reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/unique_fd.h"

namespace imgrec::manager {

void DiskReserve::take() {
  if (taken_) return;
  struct statvfs disk {};
  struct stat there {};
  const bool exists = ::stat(file_.c_str(), &there) == 0 && there.st_size >= off_t{kBytes};
  if (!exists) {  // else an earlier process took it
    if (::statvfs(file_.parent_path().c_str(), &disk) != 0) return;
    if (disk.f_bavail * disk.f_frsize < 2 * kBytes) return;
    const UniqueFd file(::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!file) return;
    if (::posix_fallocate(file.get(), 0, off_t{kBytes}) != 0) {
      ::unlink(file_.c_str());
      return;
    }
  }
  taken_ = true;
  given_up_ = false;
}

bool DiskReserve::give_up() {
  if (!taken_ || ::unlink(file_.c_str()) != 0) return false;
  taken_ = false;
  given_up_ = true;
  return true;
}

}  // namespace imgrec::manager
