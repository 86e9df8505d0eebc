#include "manager/store/background_sync.h"

#include <cerrno>
#include <set>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manager/store/image_files.h"

namespace imgrec::manager {

Result<std::unique_ptr<BackgroundSync>> BackgroundSync::start(
    const std::vector<std::filesystem::path>& directories, std::chrono::milliseconds interval) {
  std::vector<UniqueFd> file_systems;
  std::set<dev_t> seen;
  for (const auto& directory : directories) {
    UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0) return file_error("open", directory, errno);
    if (seen.insert(info.st_dev).second) file_systems.push_back(std::move(fd));
  }
  std::unique_ptr<BackgroundSync> sync(new BackgroundSync(std::move(file_systems), interval));
  sync->thread_ = std::thread([raw = sync.get()] { raw->run(); });
  return sync;
}

BackgroundSync::~BackgroundSync() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void BackgroundSync::note_change() {
  const std::scoped_lock lock(mutex_);
  changed_ = true;
}

void BackgroundSync::run() {
  ::pthread_setname_np(::pthread_self(), "sync");
  for (;;) {
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, interval_, [this] { return stopping_; });
      stopping = stopping_;
      if (!std::exchange(changed_, false) && !stopping) continue;
    }
    sync();
    if (stopping) return;
  }
}

void BackgroundSync::sync() {
  bool failed = false;
  for (const UniqueFd& fd : file_systems_) {
    if (::syncfs(fd.get()) == 0) continue;
    failed = true;
    if (!failing_) {
      spdlog::error(
          "background_sync_failed error=\"{}\" meaning=\"what was accepted since the "
          "last sync may not be on the disk\" action=\"check the disk\"",
          std::generic_category().message(errno));
    }
  }
  failing_ = failed;
}

}  // namespace imgrec::manager
