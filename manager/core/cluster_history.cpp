#include "manager/core/cluster_history.h"

namespace imgrec::manager {

std::optional<ClusterSample> ClusterSampler::sample(const Reading& reading, TimePoint now) {
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(now - start_).count();
  if (second <= second_) return std::nullopt;
  // Timers are late at times: what is divided by is what has passed.
  const double elapsed = std::chrono::duration<double>(now - before_).count();
  ClusterSample sample{.second = second,
                       .images_per_s = static_cast<double>(reading.images - images_) / elapsed,
                       .bits_per_s = static_cast<double>(reading.bytes - bytes_) * 8 / elapsed,
                       .queue_depth = reading.queue_depth,
                       .in_flight = reading.in_flight,
                       .workers = reading.workers,
                       .total = reading.total};
  second_ = second;
  before_ = now;
  images_ = reading.images;
  bytes_ = reading.bytes;
  return sample;
}

}  // namespace imgrec::manager
