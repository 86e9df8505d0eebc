#include "link/app/statistics.h"

namespace imgrec::link {
namespace {

using nlohmann::ordered_json;

double milliseconds(Duration time) { return static_cast<double>(time.count()) / 1e6; }

ordered_json count_json(const DirectionCounters::Count& count) {
  return {{"packets", count.packets}, {"bytes", count.bytes}};
}

ordered_json settings_json(const DirectionSettings& s) {
  ordered_json json{{"delay_ms", milliseconds(s.delay)},
                    {"jitter_ms", milliseconds(s.jitter)},
                    {"jitter_shape", s.jitter_shape == JitterShape::kNormal ? "normal" : "uniform"},
                    {"reorder", s.reorder},
                    {"loss", s.loss},
                    {"burst", s.burst},
                    {"burst_loss", s.burst_loss},
                    {"rate", s.rate}};
  if (s.queue.bytes != 0) {
    json["queue_bytes"] = s.queue.bytes;
  } else {
    json["queue_ms"] = milliseconds(s.queue.time);
  }
  json["down"] = s.down;
  return json;
}

}  // namespace

ordered_json direction_json(const Direction& direction, std::uint64_t unread) {
  const DirectionCounters& c = direction.counters();
  const auto delivered = static_cast<double>(c.delivered.packets);
  const double mean = delivered > 0 ? milliseconds(c.sojourn_sum) / delivered : 0;
  return {{"settings", settings_json(direction.settings())},
          {"in", count_json(c.in)},
          {"delivered", count_json(c.delivered)},
          {"lost", count_json(c.lost)},
          {"dropped", count_json(c.dropped)},
          {"cut", count_json(c.cut)},
          {"overflowed", count_json(c.overflowed)},
          {"refused", count_json(c.refused)},
          {"held", direction.held()},
          {"unread", unread},
          {"sojourn_ms", {{"mean", mean}, {"max", milliseconds(c.sojourn_max)}}},
          {"lateness_ms",
           {{"p50", milliseconds(c.lateness.percentile(0.5))},
            {"p99", milliseconds(c.lateness.percentile(0.99))},
            {"max", milliseconds(c.lateness.max())}}}};
}

}  // namespace imgrec::link
