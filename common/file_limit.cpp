#include "common/file_limit.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>

namespace imgrec {

std::uint64_t raise_file_limit(std::uint64_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur < wanted) {
    spdlog::warn(
        "few_files_allowed limit={} wanted={} hint=\"raise the limit of open files (ulimit -Hn, "
        "LimitNOFILE), or lower http.max-connections\"",
        limit.rlim_cur, wanted);
  }
  return limit.rlim_cur;
}

}  // namespace imgrec
