#include "kernels/max_pooling.h"

#include <algorithm>

#include "kernels/lanes.h"

namespace imgrec::kernels {
namespace {

// to = the larger of each pair. The compiler makes vectors of it.
IMGREC_INLINE inline void larger(const float* a, const float* b, std::size_t count, float* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = a[i] < b[i] ? b[i] : a[i];
}

// to = the largest of `vectors` vectors that lie `step` apart.
IMGREC_INLINE inline void largest(const float* from, std::size_t vectors, std::size_t step,
                                  std::size_t count, float* to) {
  if (vectors == 1) {
    std::copy_n(from, count, to);
    return;
  }
  larger(from, from + step, count, to);
  for (std::size_t v = 2; v < vectors; ++v) larger(to, from + v * step, count, to);
}

// The places of a window that are inside.
struct Range {
  std::size_t first, count;
};
Range inside(std::size_t result, std::size_t stride, std::size_t kernel, std::size_t before,
             std::size_t places) {
  const std::size_t begin = result * stride;  // `before` further than meant
  const std::size_t first = std::max(begin, before) - before;
  const std::size_t end = std::min(begin + kernel - before, places);
  return {first, end - first};
}

// First down the columns, for a whole row of windows, then along it.
IMGREC_INLINE inline void pool(const MaxPooling& of, std::size_t count, const float* pictures,
                               float* results, float* scratch) {
  const std::size_t row_values = of.width * of.channels;
  for (std::size_t picture = 0; picture < count; ++picture) {
    for (std::size_t row = 0; row < of.result_height; ++row) {
      const Range rows = inside(row, of.stride_h, of.kernel_h, of.top, of.height);
      largest(pictures + rows.first * row_values, rows.count, row_values, row_values, scratch);
      for (std::size_t column = 0; column < of.result_width; ++column, results += of.channels) {
        const Range columns = inside(column, of.stride_w, of.kernel_w, of.left, of.width);
        largest(scratch + columns.first * of.channels, columns.count, of.channels, of.channels,
                results);
      }
    }
    pictures += of.height * row_values;
  }
}

void pool_plain(const MaxPooling& of, std::size_t count, const float* pictures, float* results,
                float* scratch) {
  pool(of, count, pictures, results, scratch);
}
IMGREC_FOR_AVX2 void pool_avx2(const MaxPooling& of, std::size_t count, const float* pictures,
                               float* results, float* scratch) {
  pool(of, count, pictures, results, scratch);
}

}  // namespace

void MaxPooling::run(std::size_t count, const float* pictures, float* results, float* scratch,
                     Processor processor) const {
  (processor == Processor::kAvx2 ? pool_avx2 : pool_plain)(*this, count, pictures, results,
                                                           scratch);
}

}  // namespace imgrec::kernels
