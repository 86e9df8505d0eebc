// Time as the emulator's core knows it: an argument, in nanoseconds.
//
// Thread rule: plain values. Owns nothing.
#pragma once

#include <chrono>

namespace imgrec::link {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

}  // namespace imgrec::link
