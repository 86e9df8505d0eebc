#include "worker/graph/batch_cut.h"

#include <numeric>

namespace imgrec::worker {

std::vector<CutPoint> cut_points(const std::vector<BufferLife>& lives, std::size_t steps) {
  std::vector<CutPoint> points;
  for (std::size_t step = 1; step < steps; ++step) {
    std::vector<std::size_t> needed;
    for (std::size_t i = 0; i < lives.size() && needed.size() < 2; ++i) {
      if (lives[i].first_step < step && lives[i].last_step >= step) needed.push_back(i);
    }
    if (needed.size() == 1) points.push_back({step, needed.front()});
  }
  return points;
}

std::optional<BatchCut> best_cut(const std::vector<CutPoint>& points,
                                 const std::vector<double>& one,
                                 const std::vector<double>& together) {
  const double alone = std::accumulate(one.begin(), one.end(), 0.0);
  std::optional<BatchCut> best;
  for (const CutPoint& point : points) {
    const auto step = static_cast<std::ptrdiff_t>(point.step);
    const double seconds = std::accumulate(one.begin(), one.begin() + step, 0.0) +
                           std::accumulate(together.begin() + step, together.end(), 0.0);
    if (!best || alone / seconds > best->gain) best = BatchCut{point, alone / seconds};
  }
  return best;
}

}  // namespace imgrec::worker
