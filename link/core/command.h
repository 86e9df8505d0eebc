// What the control socket is asked: one line of text.
//
//   stats                                  the statistics
//   reset                                  the statistics begin anew
//   set LINK DIRECTION KEY=VALUE ...       LINK: a name, or "all"; DIRECTION: both, a-to-b, b-to-a
//   down LINK, up LINK                     short for set LINK both down=true, or false
//
// Thread rule: plain values and a pure function. Owns its texts.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "link/core/settings.h"
#include "proto/status.h"

namespace imgrec::link {

inline constexpr std::size_t kMaxCommandBytes = 1024;

struct Command {
  enum class Kind { kStatistics, kReset, kSet };
  Kind kind = Kind::kStatistics;
  std::string link;  // of kSet; "all"
  bool a_to_b = false;
  bool b_to_a = false;
  std::string settings;  // "loss=10% delay=5ms", for set_settings; known to be well-formed
};

// REQUIRES: line without its end.
Result<Command> parse_command(std::string_view line);

}  // namespace imgrec::link
