// How much a new connection is to be sent that means nothing (FILL), so that TCP has found out what
// the path carries when the first images come.
//
// A connection begins with 10 segments under way (RFC 6928) and doubles that with each round trip:
// with a round trip of a second, the first megabyte takes seven. Where the round trip is short there
// is nothing to be won, and nothing is sent.
//
// Thread rule: confined to one thread. Owns: nothing but numbers.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace imgrec::manager {

class LinkWarmer {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  // What TCP says of the connection at present.
  struct Path {
    std::chrono::microseconds round_trip{};  // the least; 0: not measured
    std::uint64_t window_bytes = 0;          // that may be under way
  };

  static constexpr std::size_t kPortion = 64 * 1024;

  // There is nothing else to be sent: bytes to send now, at most kPortion; 0: none, ever again.
  std::size_t next(const Path& path, TimePoint now) {
    if (!done_) done_ = !worthwhile(path, now);
    if (done_) return 0;
    sent_ += kPortion;
    return kPortion;
  }
  bool done() const { return done_; }

 private:
  // 32 Mbit/s: some forty photos a second. Not more than 4 MiB under way, as by default the kernel
  // keeps no more for a connection, and four times that in all.
  static constexpr std::uint64_t kBytesPerSecond = 4'000'000;
  static constexpr std::uint64_t kMostWindow = 4u << 20;
  static constexpr std::uint64_t kMostSent = 4;
  static constexpr int kPatience = 4;  // round trips in which the window has not grown by a quarter

  bool worthwhile(const Path& path, TimePoint now) {
    if (path.round_trip.count() <= 0) return false;
    const auto round_trip_us = static_cast<std::uint64_t>(path.round_trip.count());
    const std::uint64_t wanted =
        std::min(kMostWindow, kBytesPerSecond / 1000 * round_trip_us / 1000);
    if (path.window_bytes >= wanted || sent_ >= kMostSent * wanted) return false;
    if (path.window_bytes >= grown_ + grown_ / 4) {
      grown_ = path.window_bytes;
      grown_at_ = now;
    }
    return now - grown_at_ <= kPatience * Duration(path.round_trip);
  }

  std::uint64_t sent_ = 0;
  std::uint64_t grown_ = 0;  // the window when it last was a quarter larger
  TimePoint grown_at_{};
  bool done_ = false;
};

}  // namespace imgrec::manager
