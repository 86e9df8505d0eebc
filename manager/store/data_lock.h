// Keeps a second manager away from a data directory. The lock ends with the process, however that
// ends.
//
// Thread rule: plain value. Owns: the lock file's descriptor.
#pragma once

#include <filesystem>

#include "common/unique_fd.h"
#include "proto/status.h"

namespace imgrec::manager {

// kFailedPrecondition where another process has it; the text names its pid.
Result<UniqueFd> lock_data_dir(const std::filesystem::path& data_dir);

}  // namespace imgrec::manager
