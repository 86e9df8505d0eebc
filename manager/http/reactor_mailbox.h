// Work for one reactor thread, left by any other.
//
// Thread rule: post() and close() from any thread; run() and fd() on the reactor thread.
// Owns: its eventfd and the tasks not yet run. Shared between the server and pending answers, so
// that it outlives both.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "common/unique_fd.h"

namespace imgrec::manager {

class ReactorMailbox {
 public:
  using Task = std::function<void()>;

  // Throws std::system_error where no descriptor is to be had.
  ReactorMailbox();

  int fd() const { return event_.get(); }  // readable while tasks wait

  // Dropped without a trace once closed: the connections it could be about are gone too.
  void post(Task task);
  void run();
  void close();

  void bind_to_this_thread() { thread_ = std::this_thread::get_id(); }
  bool on_its_thread() const { return thread_.load() == std::this_thread::get_id(); }

 private:
  UniqueFd event_;
  std::atomic<std::thread::id> thread_{};
  std::mutex mutex_;  // guards the following
  std::vector<Task> tasks_;
  bool closed_ = false;
};

}  // namespace imgrec::manager
