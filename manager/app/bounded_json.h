// JSON of strangers into a tree whose size is bounded while it is read: a few megabytes of brackets
// or zeros would else become a hundred times as much memory, or a stack that overflows.
//
// Thread rule: a pure function. Owns: nothing.
#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "proto/status.h"

namespace imgrec::manager {

struct JsonLimits {
  std::size_t max_depth = 8;
  std::size_t max_values = 4096;  // in all, containers included
};

// kInvalidArgument: malformed, or a name twice in one object, which two readers could take in two
// ways. kResourceExhausted: over a limit.
Result<nlohmann::json> parse_bounded_json(std::string_view text, const JsonLimits& limits);

}  // namespace imgrec::manager
