// How long one worker takes per image, as measured, and how long to wait for it before an attempt
// is resent: mean and deviation smoothed as TCP does with round trips (RFC 6298), doubled with each
// timeout until the worker is measured again. A worker that is not measured yet is given three
// times what the others need.
//
// Thread rule: confined to one thread. Owns: nothing but numbers.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>

#include "manager/core/scheduler.h"

namespace imgrec::manager {

class ServiceTime {
 public:
  // One image took `sample` on one stream.
  void add(Duration sample) {
    using std::chrono::duration_cast;
    const std::int64_t us =
        std::max<std::int64_t>(duration_cast<std::chrono::microseconds>(sample).count(), 1);
    if (mean_us_ == 0) {
      mean_us_ = us;
      deviation_us_ = us / 2;
    } else {
      deviation_us_ += (std::abs(us - mean_us_) - deviation_us_) / 4;
      mean_us_ = std::max<std::int64_t>(mean_us_ + (us - mean_us_) / 8, 1);
    }
    timeouts_in_a_row_ = 0;
  }

  void on_timeout() { ++timeouts_in_a_row_; }

  bool measured() const { return mean_us_ != 0; }
  std::int64_t mean_us() const { return mean_us_; }  // 0 until measured

  // What is known besides, for timeout().
  struct Situation {
    unsigned in_front = 0;  // attempts on the same worker that precede this one
    unsigned streams = 1;
    std::int64_t others_mean_us = 0;  // of the measured workers; 0: there are none
    std::chrono::microseconds rtt{};  // of its link; 0: not measured
  };

  std::chrono::milliseconds timeout(const Situation& at, const SchedulerOptions& options) const {
    const auto min = static_cast<double>(options.min_timeout.count());
    const auto max = std::max(min, static_cast<double>(options.max_timeout.count()));
    const double waves = 1.0 + at.in_front / std::max(at.streams, 1u);
    double ms = static_cast<double>(options.initial_timeout.count());
    if (measured()) {
      const double image_ms = static_cast<double>(mean_us_ + deviation_us_) / 1000.0;
      ms = options.timeout_factor * image_ms * waves;
    } else if (at.others_mean_us > 0) {
      const double image_ms = kStrangerFactor * static_cast<double>(at.others_mean_us) / 1000.0;
      ms = std::min(ms, options.timeout_factor * image_ms * waves);
    }
    ms += 2.0 * static_cast<double>(at.rtt.count()) / 1000.0;
    ms = std::clamp(ms, min, max) * static_cast<double>(1u << std::min(timeouts_in_a_row_, 10u));
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(ms, max)));
  }

 private:
  static constexpr double kStrangerFactor = 3.0;

  std::int64_t mean_us_ = 0;
  std::int64_t deviation_us_ = 0;
  unsigned timeouts_in_a_row_ = 0;
};

}  // namespace imgrec::manager
