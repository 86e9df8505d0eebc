#include "tests/unit/manager_store/faulty_disk.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace imgrec::manager {
namespace {

struct State {
  std::mutex mutex;
  bool armed = false;  // this and all below: guarded by mutex
  std::string directory;
  std::size_t count = 0;
  std::size_t at = 0;
  FaultyDisk::Fault fault = FaultyDisk::Fault::kOnce;
  int error_number = 0;
  bool only_syncs = false;
  bool struck = false;
};

State& state() {
  static State* leaked = new State;  // operations go on until the very end of the process
  return *leaked;
}

std::atomic<bool> any_disk{false};

enum class Verdict { kNotOurs, kGoOn, kFail, kDie };

Verdict next(std::string_view path, bool is_sync) {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  if (!s.armed || !path.starts_with(s.directory)) return Verdict::kNotOurs;
  if (s.only_syncs && !is_sync) return Verdict::kGoOn;
  const std::size_t number = s.count++;
  const bool strikes = s.fault == FaultyDisk::Fault::kFrom ? number >= s.at : number == s.at;
  if (!strikes) return Verdict::kGoOn;
  s.struck = true;
  errno = s.error_number;
  return s.fault == FaultyDisk::Fault::kDie ? Verdict::kDie : Verdict::kFail;
}

Verdict next(int fd, bool is_sync) {
  if (!any_disk) return Verdict::kNotOurs;
  std::array<char, PATH_MAX> path{};
  std::array<char, 64> link{};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
  const int saved = errno;
  const ssize_t n = ::readlink(link.data(), path.data(), path.size());
  errno = saved;
  if (n < 0) return Verdict::kNotOurs;
  return next(std::string_view(path.data(), static_cast<std::size_t>(n)), is_sync);
}

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

// Whether to carry the operation out. Does not return where the process dies of it.
bool allowed(Verdict verdict) {
  if (verdict == Verdict::kDie) die();
  return verdict != Verdict::kFail;
}

int counted_open(const char* path, int flags, mode_t mode) {
  if (any_disk && !allowed(next(path, false))) return -1;
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int counted_sync(int fd, long number) {
  const Verdict verdict = next(fd, true);
  if (!allowed(verdict)) return -1;
  return verdict == Verdict::kGoOn ? 0 : static_cast<int>(::syscall(number, fd));
}

}  // namespace

FaultyDisk::FaultyDisk(const std::filesystem::path& directory) {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  s.armed = true;
  s.directory = directory.string();
  s.count = 0;
  s.at = std::numeric_limits<std::size_t>::max();
  s.fault = Fault::kOnce;
  s.only_syncs = s.struck = false;
  any_disk = true;
}

FaultyDisk::~FaultyDisk() {
  any_disk = false;
  const std::scoped_lock lock(state().mutex);
  state().armed = false;
}

void FaultyDisk::fail_at(std::size_t n, Fault fault, int error_number) {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  s.count = 0;
  s.at = n;
  s.fault = fault;
  s.error_number = error_number;
  s.only_syncs = false;
  s.struck = false;
}

void FaultyDisk::fail_syncs_from(std::size_t n, int error_number) {
  fail_at(n, Fault::kFrom, error_number);
  const std::scoped_lock lock(state().mutex);
  state().only_syncs = true;
}

bool FaultyDisk::struck() const {
  const std::scoped_lock lock(state().mutex);
  return state().struck;
}

}  // namespace imgrec::manager

// ---- what the C library's calls of these names become in this binary ---------------------------

using imgrec::manager::allowed;
using imgrec::manager::any_disk;
using imgrec::manager::counted_open;
using imgrec::manager::counted_sync;
using imgrec::manager::die;
using imgrec::manager::next;
using imgrec::manager::Verdict;

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return counted_open(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return counted_open(path, flags | O_LARGEFILE, mode);
}

ssize_t write(int fd, const void* data, size_t size) {
  const Verdict verdict = next(fd, false);
  if (verdict == Verdict::kDie) {
    ::syscall(SYS_write, fd, data, size / 2);
    die();
  }
  return allowed(verdict) ? ::syscall(SYS_write, fd, data, size) : -1;
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  const Verdict verdict = next(fd, false);
  if (verdict == Verdict::kDie) {
    ::syscall(SYS_pwrite64, fd, data, size / 2, offset);
    die();
  }
  return allowed(verdict) ? ::syscall(SYS_pwrite64, fd, data, size, offset) : -1;
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return pwrite64(fd, data, size, offset);
}

int fsync(int fd) { return counted_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return counted_sync(fd, SYS_fdatasync); }
int syncfs(int fd) noexcept { return counted_sync(fd, SYS_syncfs); }

int ftruncate64(int fd, off64_t size) noexcept {
  return allowed(next(fd, false)) ? static_cast<int>(::syscall(SYS_ftruncate, fd, size)) : -1;
}
int ftruncate(int fd, off_t size) noexcept { return ftruncate64(fd, size); }

int unlink(const char* path) noexcept {
  if (any_disk && !allowed(next(path, false))) return -1;
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (any_disk && !allowed(next(path, false))) return -1;
  return static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

}  // extern "C"
