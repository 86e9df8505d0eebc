// What is measured of the cluster as it goes: latencies of the last minute, and a sample a second
// for charts.
//
// Thread rule: confined to one thread (the manager's control thread). Pure: time is an argument.
// Owns: the meter, the history, under 1 MiB together.
#pragma once

#include "manager/core/cluster_history.h"
#include "manager/core/image_record.h"
#include "manager/core/latency_meter.h"

namespace imgrec::manager {

class ClusterMonitor {
 public:
  static constexpr std::chrono::seconds kLatencyWindow{60};

  explicit ClusterMonitor(TimePoint start) : start_(start), meter_(start), sampler_(start) {}

  void on_settled(const ImageRecord& image, TimePoint now) {
    meter_.add(image.timing, image.state == ImageState::kDone, now);
  }

  // Once a second. `reading.total` is filled in here. False: it is the same second still.
  bool on_second(ClusterSampler::Reading reading, TimePoint now);

  // When to call on_second next: as the next second begins.
  TimePoint next_second(TimePoint now) const;

  const LatencySummary& latency() const { return latency_; }  // as of the last on_second()
  const ClusterHistory& history() const { return history_; }
  const LatencyMeter& meter() const { return meter_; }
  std::chrono::seconds uptime(TimePoint now) const {
    return std::chrono::duration_cast<std::chrono::seconds>(now - start_);
  }

 private:
  TimePoint start_;
  LatencyMeter meter_;
  ClusterSampler sampler_;
  ClusterHistory history_;
  LatencySummary latency_;
};

}  // namespace imgrec::manager
