#include "worker/inference/area_average.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "worker/inference/blas_choice.h"

namespace imgrec::worker {
namespace {

// What one new pixel covers of a row or column of old ones: [begin, end), all of the inner ones,
// parts of the first and the last.
struct Span {
  int begin = 0;
  int end = 0;
  float first = 0;
  float last = 0;  // 0 where the first is the only one
};

std::vector<Span> spans(int old_length, int new_length) {
  const double ratio = static_cast<double>(old_length) / new_length;
  std::vector<Span> result(static_cast<std::size_t>(new_length));
  for (int i = 0; i < new_length; ++i) {
    const double from = i * ratio;
    const double to = std::min<double>((i + 1) * ratio, old_length);
    Span& span = result[static_cast<std::size_t>(i)];
    span.begin = std::min(static_cast<int>(from), old_length - 1);
    span.end = std::max(static_cast<int>(std::ceil(to)), span.begin + 1);
    span.first = static_cast<float>(std::min<double>(span.begin + 1, to) - from);
    if (span.end - span.begin > 1) span.last = static_cast<float>(to - (span.end - 1));
  }
  return result;
}

[[gnu::always_inline]] inline void add_row(const std::uint8_t* __restrict in, std::size_t values,
                                           float weight, float* __restrict sums) {
  for (std::size_t i = 0; i < values; ++i) sums[i] += static_cast<float>(in[i]) * weight;
}

using AddRow = void (*)(const std::uint8_t*, std::size_t, float, float*);

[[gnu::optimize("O3")]] void add_row_plain(const std::uint8_t* in, std::size_t values, float weight,
                                           float* sums) {
  add_row(in, values, weight, sums);
}

#if defined(__x86_64__)
[[gnu::optimize("O3"), gnu::target("avx2,fma")]] void add_row_avx2(const std::uint8_t* in,
                                                                   std::size_t values, float weight,
                                                                   float* sums) {
  add_row(in, values, weight, sums);
}

AddRow choose_add_row() { return detect_cpu_features().avx2_fma ? add_row_avx2 : add_row_plain; }
#else
AddRow choose_add_row() { return add_row_plain; }
#endif

// Blue, green, red, and a value that belongs to the next pixel and is not used.
using Pixel [[gnu::vector_size(4 * sizeof(float))]] = float;

Pixel pixel_at(const float* sums, int x) {
  Pixel pixel;
  std::memcpy(&pixel, sums + 3 * static_cast<std::ptrdiff_t>(x), sizeof pixel);
  return pixel;
}

// sums: 3 values a pixel, and one more behind the last.
void average_along(const float* sums, const std::vector<Span>& columns, float scale,
                   std::uint8_t* out) {
  for (const Span& span : columns) {
    Pixel sum = pixel_at(sums, span.begin) * span.first;
    for (int x = span.begin + 1; x < span.end - 1; ++x) sum += pixel_at(sums, x);
    if (span.end - span.begin > 1) sum += pixel_at(sums, span.end - 1) * span.last;
    sum = sum * scale + 0.5F;
    for (int channel = 0; channel < 3; ++channel) *out++ = static_cast<std::uint8_t>(sum[channel]);
  }
}

}  // namespace

cv::Mat area_average(const cv::Mat& pixels, cv::Size size) {
  assert(pixels.type() == CV_8UC3 && !size.empty());
  assert(size.width <= pixels.cols && size.height <= pixels.rows);
  static const AddRow add = choose_add_row();
  const std::vector<Span> rows = spans(pixels.rows, size.height);
  const std::vector<Span> columns = spans(pixels.cols, size.width);
  const auto scale = static_cast<float>(static_cast<double>(size.area()) /
                                        (static_cast<double>(pixels.cols) * pixels.rows));
  const std::size_t values = 3 * static_cast<std::size_t>(pixels.cols);
  std::vector<float> sums(values + 1);
  cv::Mat result(size, CV_8UC3);
  for (int y = 0; y < size.height; ++y) {
    const Span& span = rows[static_cast<std::size_t>(y)];
    std::fill(sums.begin(), sums.end(), 0.0F);
    add(pixels.ptr(span.begin), values, span.first, sums.data());
    for (int row = span.begin + 1; row < span.end - 1; ++row) {
      add(pixels.ptr(row), values, 1.0F, sums.data());
    }
    if (span.end - span.begin > 1) {
      add(pixels.ptr(span.end - 1), values, span.last, sums.data());
    }
    average_along(sums.data(), columns, scale, result.ptr(y));
  }
  return result;
}

}  // namespace imgrec::worker
