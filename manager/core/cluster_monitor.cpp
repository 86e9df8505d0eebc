#include "manager/core/cluster_monitor.h"

namespace imgrec::manager {
namespace {

constexpr std::chrono::seconds kSampleWindow{10};  // one second alone has few images, or none

}  // namespace

bool ClusterMonitor::on_second(ClusterSampler::Reading reading, TimePoint now) {
  reading.total = meter_.over(kSampleWindow, Phase::kTotal, now);
  const auto sample = sampler_.sample(reading, now);
  if (!sample) return false;
  history_.add(*sample);
  latency_ = meter_.over(kLatencyWindow, now);
  return true;
}

TimePoint ClusterMonitor::next_second(TimePoint now) const {
  return start_ + uptime(now) + std::chrono::seconds(1);
}

}  // namespace imgrec::manager
