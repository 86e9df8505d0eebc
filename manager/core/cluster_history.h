// The last ten minutes of the cluster, a sample a second, for charts.
//
// Thread rule: confined to one thread. Owns: 600 samples, under 60 KB.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "manager/core/latency_meter.h"

namespace imgrec::manager {

// What is counted is counted since the sample before; the rest is as it was at that moment.
struct ClusterSample {
  std::int64_t second = 0;  // since the manager's start; grows, and may leave seconds out
  double images_per_s = 0;
  double bits_per_s = 0;           // of the images
  double wire_out_bits_per_s = 0;  // of IP packets to workers
  double wire_in_bits_per_s = 0;   // of those from them
  std::uint64_t queue_depth = 0;
  std::uint64_t in_flight = 0;
  std::uint32_t workers = 0;
  std::optional<Percentiles> total;  // of the last 10 s; nullopt: nothing settled in them
};

class ClusterHistory {
 public:
  static constexpr std::size_t kSamples = 600;

  // REQUIRES: its second is later than the newest one's.
  void add(const ClusterSample& sample) {
    ring_[next_] = sample;
    next_ = (next_ + 1) % kSamples;
    if (size_ < kSamples) ++size_;
  }

  std::optional<ClusterSample> newest() const {
    if (size_ == 0) return std::nullopt;
    return ring_[(next_ + kSamples - 1) % kSamples];
  }

  // Those of the last `seconds` before the newest, oldest first.
  std::vector<ClusterSample> last(std::int64_t seconds) const {
    std::vector<ClusterSample> samples;
    const auto end = newest();
    if (!end) return samples;
    for (std::size_t i = 0; i < size_; ++i) {
      const ClusterSample& sample = ring_[(next_ + kSamples - size_ + i) % kSamples];
      if (sample.second > end->second - seconds) samples.push_back(sample);
    }
    return samples;
  }

 private:
  std::array<ClusterSample, kSamples> ring_{};
  std::size_t next_ = 0;
  std::size_t size_ = 0;
};

// Makes samples of running totals.
class ClusterSampler {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Reading {
    std::uint64_t images = 0;  // answered since the start
    std::uint64_t bytes = 0;   // of these
    std::uint64_t wire_bytes_out = 0;
    std::uint64_t wire_bytes_in = 0;
    std::uint64_t queue_depth = 0;
    std::uint64_t in_flight = 0;
    std::uint32_t workers = 0;
    std::optional<Percentiles> total{};
  };

  explicit ClusterSampler(TimePoint start) : start_(start), before_(start) {}

  // nullopt: too early, the last sample was of this very second. REQUIRES: `now` never goes back.
  std::optional<ClusterSample> sample(const Reading& reading, TimePoint now);

 private:
  TimePoint start_;
  TimePoint before_;
  std::int64_t second_ = 0;  // of the last sample
  Reading reading_;          // what it was made of
};

}  // namespace imgrec::manager
