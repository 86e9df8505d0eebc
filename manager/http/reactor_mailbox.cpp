#include "manager/http/reactor_mailbox.h"

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include <sys/eventfd.h>

namespace imgrec::manager {

ReactorMailbox::ReactorMailbox() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!event_) throw std::system_error(errno, std::generic_category(), "eventfd");
}

void ReactorMailbox::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    tasks_.push_back(std::move(task));
    if (tasks_.size() > 1) return;  // the reactor knows already
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event_.get(), &one, sizeof one);
}

void ReactorMailbox::run() {
  std::uint64_t ignored = 0;
  [[maybe_unused]] const auto read = ::read(event_.get(), &ignored, sizeof ignored);
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) task();
}

void ReactorMailbox::close() {
  std::vector<Task> tasks;  // destroyed without the lock: a task may hold the last answer of all
  const std::lock_guard lock(mutex_);
  closed_ = true;
  thread_ = std::thread::id();  // another thread may get this one's id later
  tasks.swap(tasks_);
}

}  // namespace imgrec::manager
