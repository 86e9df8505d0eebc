// Percentiles of what settled lately: of the whole time of an image, and of each of its phases.
//
// Thread rule: confined to one thread.
// Owns: one histogram a phase for each of the last 61 seconds, made when it is first needed:
// 0.7 MiB at most.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "manager/core/image_record.h"
#include "manager/core/latency_histogram.h"
#include "manager/core/scheduler.h"

namespace imgrec::manager {

enum class Phase : std::size_t { kTotal, kUpload, kQueue, kWire, kDecode, kInference };
inline constexpr std::size_t kPhases = 6;
// "total", "upload", "queue", "wire", "decode", "inference"
std::string_view to_string(Phase phase);

struct Percentiles {
  std::chrono::microseconds p50{};
  std::chrono::microseconds p90{};
  std::chrono::microseconds p99{};
};

struct LatencySummary {
  std::uint64_t count = 0;                               // images settled
  std::array<std::optional<Percentiles>, kPhases> of{};  // by Phase; nullopt: nothing measured

  const std::optional<Percentiles>& operator[](Phase phase) const {
    return of[static_cast<std::size_t>(phase)];
  }
};

class LatencyMeter {
 public:
  explicit LatencyMeter(TimePoint start) : start_(start) {}

  // An image settled. One that failed counts in the total alone: its phases are not known.
  // REQUIRES: `now` never goes back.
  void add(const ImageTiming& timing, bool done, TimePoint now);

  // Over the last `window`, with the second that has begun. Reads every bucket of every second of
  // it: for once a second, not for each request. REQUIRES: 1 s <= window <= 60 s.
  LatencySummary over(std::chrono::seconds window, TimePoint now) const;
  // The same of one phase.
  std::optional<Percentiles> over(std::chrono::seconds window, Phase phase, TimePoint now) const;

  // Since the start, for counters.
  struct Sum {
    std::uint64_t count = 0;
    std::chrono::microseconds time{};
  };
  const Sum& sum(Phase phase) const { return sums_[static_cast<std::size_t>(phase)]; }

 private:
  static constexpr std::int64_t kSlots = 61;  // a minute, and the second that has begun
  using Histograms = std::array<LatencyHistogram, kPhases>;
  struct Slot {
    std::int64_t second = -1;  // since start; tells a fresh slot from one of an earlier lap
    std::unique_ptr<Histograms> of;
  };

  std::int64_t second_of(TimePoint now) const;
  LatencyHistogram collect(std::chrono::seconds window, Phase phase, TimePoint now) const;

  TimePoint start_;
  std::array<Slot, kSlots> slots_{};
  std::array<Sum, kPhases> sums_{};
};

}  // namespace imgrec::manager
