#include "worker/graph/batch_cut.h"

#include <array>
#include <cstdio>
#include <numeric>

namespace imgrec::worker {
namespace {

// Less is not worth that the first picture waits for the last.
constexpr double kLeastGain = 1.015;
// Of a smaller batch's gain. What comes together is also sent and stored together, so that a larger
// batch need not be faster, only not slower; and what is measured is not exact.
constexpr double kAsGood = 0.98;
// A newcomer's picture waits for the batch in hand, and for one that is ready.
constexpr double kLongestSeconds = 0.25;

}  // namespace

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
    if (!best || seconds < best->seconds) best = BatchCut{point, alone / seconds, seconds};
  }
  return best;
}

std::string why_no_batch(unsigned pictures, const BatchCut& measured, double smaller_gain) {
  std::array<char, 96> text{};
  const double seconds = pictures * measured.seconds;
  if (measured.gain < kLeastGain || measured.gain < kAsGood * smaller_gain) {
    std::snprintf(text.data(), text.size(),
                  "%u are measured at %.2f times the images of one by one", pictures,
                  measured.gain);
  } else if (seconds > kLongestSeconds) {
    std::snprintf(text.data(), text.size(), "%u would take %.2f s, more than %.2f", pictures,
                  seconds, kLongestSeconds);
  }
  return text.data();
}

}  // namespace imgrec::worker
