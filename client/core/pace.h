// How long ClassifyCore waits for what, and how often it tries.
//
// Thread rule: constants. Own nothing.
#pragma once

#include <chrono>
#include <cstddef>

namespace imgrec::client {

inline constexpr std::chrono::milliseconds kFirstWait(500);
inline constexpr std::chrono::milliseconds kLongestWait(10'000);
inline constexpr std::chrono::milliseconds kBusyWait(
    2'000);  // where a busy server does not say how long
inline constexpr std::chrono::milliseconds kLongestBusyWait(300'000);
inline constexpr std::chrono::milliseconds kPollFirst(500);  // sweeps where there is no socket
inline constexpr std::chrono::milliseconds kPollLongest(3'000);
inline constexpr std::chrono::milliseconds kPollBesideSocket(15'000);
inline constexpr std::chrono::milliseconds kStopPatience(
    5'000);                                    // to delete what was sent, once interrupted
inline constexpr unsigned kMaxTries = 6;       // that count, of one file
inline constexpr unsigned kMaxPages = 10'000;  // of one sweep: two million images
inline constexpr std::size_t kMaxEarly = 4096;

}  // namespace imgrec::client
