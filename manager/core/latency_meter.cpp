#include "manager/core/latency_meter.h"

namespace imgrec::manager {
namespace {

std::optional<Percentiles> percentiles_of(const LatencyHistogram& histogram) {
  const auto p50 = histogram.percentile(0.50);
  if (!p50) return std::nullopt;
  return Percentiles{*p50, *histogram.percentile(0.90), *histogram.percentile(0.99)};
}

std::chrono::microseconds time_of(const ImageTiming& timing, Phase phase) {
  switch (phase) {
    case Phase::kTotal:
      return timing.total;
    case Phase::kUpload:
      return timing.upload;
    case Phase::kQueue:
      return timing.queue;
    case Phase::kWire:
      return timing.wire;
    case Phase::kDecode:
      return timing.decode;
    case Phase::kInference:
      return timing.inference;
  }
  return {};
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::kTotal:
      return "total";
    case Phase::kUpload:
      return "upload";
    case Phase::kQueue:
      return "queue";
    case Phase::kWire:
      return "wire";
    case Phase::kDecode:
      return "decode";
    case Phase::kInference:
      return "inference";
  }
  return "unknown";
}

std::int64_t LatencyMeter::second_of(TimePoint now) const {
  return std::chrono::duration_cast<std::chrono::seconds>(now - start_).count();
}

void LatencyMeter::add(const ImageTiming& timing, bool done, TimePoint now) {
  const std::int64_t second = second_of(now);
  Slot& slot = slots_[static_cast<std::size_t>(second % kSlots)];
  if (!slot.of) slot.of = std::make_unique<Histograms>();
  if (slot.second != second) {
    slot.second = second;
    for (LatencyHistogram& histogram : *slot.of) histogram.clear();
  }
  for (std::size_t i = 0; i < (done ? kPhases : 1); ++i) {
    const auto time = time_of(timing, static_cast<Phase>(i));
    (*slot.of)[i].add(time);
    ++sums_[i].count;
    sums_[i].time += time;
  }
}

LatencyHistogram LatencyMeter::collect(std::chrono::seconds window, Phase phase,
                                       TimePoint now) const {
  const std::int64_t current = second_of(now);
  const std::int64_t first = current - window.count() + 1;
  LatencyHistogram sum;
  for (const Slot& slot : slots_) {
    if (slot.second < 0 || slot.second < first || slot.second > current) continue;
    sum.merge((*slot.of)[static_cast<std::size_t>(phase)]);
  }
  return sum;
}

LatencySummary LatencyMeter::over(std::chrono::seconds window, TimePoint now) const {
  LatencySummary summary;
  for (std::size_t i = 0; i < kPhases; ++i) {
    const LatencyHistogram histogram = collect(window, static_cast<Phase>(i), now);
    if (i == 0) summary.count = histogram.count();
    summary.of[i] = percentiles_of(histogram);
  }
  return summary;
}

std::optional<Percentiles> LatencyMeter::over(std::chrono::seconds window, Phase phase,
                                              TimePoint now) const {
  return percentiles_of(collect(window, phase, now));
}

}  // namespace imgrec::manager
