// Logging set-up shared by the programs. Events are written as `event key=value …` to stderr.
//
// Thread rule: init_logging once, before other threads; spdlog's own functions from any thread.
// Owns: the process-wide logger.
#pragma once

#include <string>
#include <string_view>

#include "proto/status.h"

namespace imgrec {

// level: trace, debug, info, warn, error. `program` goes into each line.
Status init_logging(std::string_view program, std::string_view level);

// Text from outside made safe for one log field: quoted where it holds spaces, control characters
// and quotes escaped, cut at 200 bytes.
std::string log_text(std::string_view text);

}  // namespace imgrec
