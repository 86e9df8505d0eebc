#include "worker/inference/step_ways.h"

#include <algorithm>
#include <cstddef>

#include "worker/inference/thread_time.h"

namespace imgrec::worker {
namespace {

using dnnl::memory;

// A choice that noise could turn round is not worth another layout, or more weights.
constexpr double kWorthIt = 0.9;

// As much as the last cache of most processors, or a core's share of it.
constexpr std::size_t kCacheBytes = 32 << 20;
constexpr std::size_t kCacheLine = 64;

}  // namespace

void WayChooser::empty_caches() {
  other_memory_.resize(kCacheBytes);
  for (std::size_t i = 0; i < kCacheBytes; i += kCacheLine) ++other_memory_[i];
}

// Of one run: the least of some, as noise only adds.
double WayChooser::seconds_of(const Way& way, const memory::desc& source,
                              const memory::desc& target, Caches caches) {
  const dnnl::engine& engine = engine_;
  dnnl::stream stream(engine);
  memory outer_source(source, engine);
  memory outer_target(target, engine);
  std::fill_n(static_cast<char*>(outer_source.get_data_handle()), source.get_size(), 0);
  memory own_source(way.source, engine);
  memory own_target(way.target, engine);
  std::fill_n(static_cast<char*>(own_source.get_data_handle()), way.source.get_size(), 0);
  StepArguments arguments{{DNNL_ARG_SRC, own_source}, {DNNL_ARG_DST, own_target}};
  arguments.insert(way.constants.begin(), way.constants.end());
  if (way.scratch.get_size() > 0) {
    arguments.emplace(DNNL_ARG_SCRATCHPAD, memory(way.scratch, engine));
  }
  const dnnl::reorder in(outer_source, own_source);
  const dnnl::reorder out(own_target, outer_target);
  double least = 1e9;
  constexpr int kRuns = 4;  // the first one writes the code
  for (int i = 0; i < kRuns; ++i) {
    if (caches == Caches::kCold) empty_caches();
    const double start = thread_seconds();
    if (way.source != source) in.execute(stream, outer_source, own_source);
    way.run(stream, arguments);
    if (way.target != target) out.execute(stream, own_target, outer_target);
    stream.wait();
    least = std::min(least, thread_seconds() - start);
  }
  return least;
}

std::size_t WayChooser::choose(const std::vector<Way>& ways, const memory::desc& source,
                               const memory::desc& target, Caches caches) {
  std::vector<std::size_t> candidates;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    if (!is_reference(ways[i])) candidates.push_back(i);
  }
  if (candidates.empty()) return 0;
  std::size_t best = candidates.front();
  if (candidates.size() == 1) return best;
  double least = seconds_of(ways[best], source, target, caches);
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    const double seconds = seconds_of(ways[candidates[i]], source, target, caches);
    if (seconds >= kWorthIt * least) continue;
    least = seconds;
    best = candidates[i];
  }
  return best;
}

}  // namespace imgrec::worker
