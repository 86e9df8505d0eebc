#include "manager/core/cluster_history.h"

namespace imgrec::manager {

std::optional<ClusterSample> ClusterSampler::sample(const Reading& reading, TimePoint now) {
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(now - start_).count();
  if (second <= second_) return std::nullopt;
  // Timers are late at times: what is divided by is what has passed.
  const double elapsed = std::chrono::duration<double>(now - before_).count();
  const auto rate = [&](std::uint64_t Reading::*counter) {
    return static_cast<double>(reading.*counter - reading_.*counter) / elapsed;
  };
  ClusterSample sample{.second = second,
                       .images_per_s = rate(&Reading::images),
                       .bits_per_s = rate(&Reading::bytes) * 8,
                       .wire_out_bits_per_s = rate(&Reading::wire_bytes_out) * 8,
                       .wire_in_bits_per_s = rate(&Reading::wire_bytes_in) * 8,
                       .queue_depth = reading.queue_depth,
                       .in_flight = reading.in_flight,
                       .workers = reading.workers,
                       .total = reading.total};
  second_ = second;
  before_ = now;
  reading_ = reading;
  return sample;
}

}  // namespace imgrec::manager
