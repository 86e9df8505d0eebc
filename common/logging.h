// Logging set-up shared by the programs. Events are written as `event key=value …` to stderr.
//
// Thread rule: init_logging once, before other threads; spdlog's own functions from any thread.
// Owns: the process-wide logger.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/status.h"

namespace imgrec {

// level: trace, debug, info, warn, error. `program` goes into each line.
Status init_logging(std::string_view program, std::string_view level);

// Text from outside made safe for one log field: quoted where it holds spaces, control characters
// and quotes escaped, cut at 200 bytes.
std::string log_text(std::string_view text);

// Keeps an event that strangers can cause from filling the log: so many of it in a period, and the
// first of the next one says how many were left out.
//
// Thread rule: not shared.
class LogLimiter {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  explicit LogLimiter(unsigned burst = 20, std::chrono::seconds period = std::chrono::seconds(60))
      : burst_(burst), period_(period) {}

  // nullopt: do not log this one. Else how many were not logged since the last that was.
  std::optional<std::uint64_t> admit(TimePoint now);

 private:
  unsigned burst_;
  std::chrono::seconds period_;
  std::optional<TimePoint> began_;  // of the period
  unsigned logged_ = 0;             // in the period
  std::uint64_t left_out_ = 0;
};

}  // namespace imgrec
