// Syncs the file systems of a data directory every so often, beside the storage thread, for the
// policy that does not wait for the disk.
//
// Thread rule: note_change() from any thread; the rest from the owner's.
// Owns: its thread and its descriptors.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "common/unique_fd.h"
#include "proto/status.h"

namespace imgrec::manager {

class BackgroundSync {
 public:
  // `directories`: one on each file system. Those that share one are synced once.
  static Result<std::unique_ptr<BackgroundSync>> start(
      const std::vector<std::filesystem::path>& directories, std::chrono::milliseconds interval);
  ~BackgroundSync();  // syncs once more

  // Something was written: the next round has work.
  void note_change();

 private:
  BackgroundSync(std::vector<UniqueFd> file_systems, std::chrono::milliseconds interval)
      : file_systems_(std::move(file_systems)), interval_(interval) {}
  void run();
  void sync();

  const std::vector<UniqueFd> file_systems_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool changed_ = false;   // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  bool failing_ = false;   // the thread's: said once, not every round
  std::thread thread_;
};

}  // namespace imgrec::manager
