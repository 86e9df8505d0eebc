#include "kernels/local_normalisation.h"

#include <algorithm>
#include <cmath>

#include "kernels/lanes.h"

namespace imgrec::kernels {
namespace {

// The compiler makes vectors of both inner loops.
template <std::size_t kSize>
IMGREC_INLINE inline void normalise(const LocalNormalisation& of, std::size_t places,
                                    const float* __restrict values, float* __restrict results,
                                    float* __restrict scratch) {
  const std::size_t channels = of.channels;
  const float factor = of.alpha / static_cast<float>(kSize);
  const float k = of.k;
  // Squares, with zeros for neighbours before the first channel and behind the last.
  std::fill_n(scratch, of.scratch_floats(), 0.F);
  float* squares = scratch + kSize / 2;
  for (std::size_t place = 0; place < places; ++place) {
    for (std::size_t c = 0; c < channels; ++c) squares[c] = values[c] * values[c];
    for (std::size_t c = 0; c < channels; ++c) {
      float sum = scratch[c];
#pragma GCC unroll 4
      for (std::size_t neighbour = 1; neighbour < kSize; ++neighbour) sum += scratch[c + neighbour];
      const float base = k + factor * sum;
      results[c] = values[c] / std::sqrt(base * std::sqrt(base));
    }
    values += channels;
    results += channels;
  }
}

IMGREC_INLINE inline void normalise_any(const LocalNormalisation& of, std::size_t places,
                                        const float* values, float* results, float* scratch) {
  if (of.size == 3) {
    normalise<3>(of, places, values, results, scratch);
  } else {
    normalise<5>(of, places, values, results, scratch);
  }
}

void normalise_plain(const LocalNormalisation& of, std::size_t places, const float* values,
                     float* results, float* scratch) {
  normalise_any(of, places, values, results, scratch);
}
IMGREC_FOR_AVX2 void normalise_avx2(const LocalNormalisation& of, std::size_t places,
                                    const float* values, float* results, float* scratch) {
  normalise_any(of, places, values, results, scratch);
}

}  // namespace

void LocalNormalisation::run(std::size_t places, const float* values, float* results,
                             float* scratch, Processor processor) const {
  (processor == Processor::kAvx2 ? normalise_avx2 : normalise_plain)(*this, places, values, results,
                                                                     scratch);
}

}  // namespace imgrec::kernels
