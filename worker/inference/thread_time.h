// The processor time of the calling thread: a clock for what it computes, which other programs on
// the same cores do not disturb by having their turn (only by what they leave in the caches).
//
// Thread rule: any thread, each has its own.
// Owns: nothing. Source: POSIX, clock_gettime(), CLOCK_THREAD_CPUTIME_ID.
#pragma once

#include <ctime>

namespace imgrec::worker {

// Seconds since the thread began.
inline double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace imgrec::worker
