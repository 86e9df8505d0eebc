#include "link/app/network_namespace.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sched.h>

#include "common/unique_fd.h"

namespace imgrec::link {

Status in_network_namespace(const std::string& path, const std::function<Status()>& work) {
  if (path.empty()) return work();
  const UniqueFd own(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  const UniqueFd other(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!own || !other) {
    return {StatusCode::kNotFound, "the network namespace " + path + " cannot be opened: " +
                                       std::strerror(errno) + "; `ip netns add` makes one"};
  }
  if (::setns(other.get(), CLONE_NEWNET) != 0) {
    return {StatusCode::kUnavailable, "the network namespace " + path +
                                          " cannot be entered: " + std::strerror(errno) +
                                          "; is it one, and does this run as root?"};
  }
  Status status = work();
  if (::setns(own.get(), CLONE_NEWNET) != 0) {
    // Anything done from here on would be done in the wrong place.
    std::perror("imgrec-link: cannot return to its own network namespace");
    std::abort();
  }
  return status;
}

}  // namespace imgrec::link
