// A 3x3 or 5x5 convolution with steps of one by Winograd's minimal filtering (winograd.h says
// whose): F(4x4, 3x3) has a quarter of the products, F(2x2, 5x5) 1 in 2.8. For inference: the
// kernels' planes are made once, and sums, products, bias and bounds are done for some tiles at a
// time, which stay in the processor's cache.
//
// Thread rule: constant once made; run() from any thread, each with scratch of its own.
// Owns: the kernels' planes: 4 or 1.4 times as much memory as the kernels, outputs in multiples
// of 16.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "kernels/processor.h"

namespace imgrec::kernels {

class WinogradConvolution {
 public:
  struct Shape {
    std::size_t height = 0, width = 0, channels = 0;        // of a picture
    std::size_t top = 0, left = 0, bottom = 0, right = 0;   // zeros around it
    std::size_t kernel = 3;                                 // 3 or 5, both ways
    std::size_t outputs = 0;                                // channels of a result
    float least = -std::numeric_limits<float>::infinity();  // a result's bounds: ReLU is 0 to
    float most = std::numeric_limits<float>::infinity();    // infinity

    std::size_t result_height() const { return height + top + bottom - (kernel - 1); }
    std::size_t result_width() const { return width + left + right - (kernel - 1); }
  };
  // A result of one place at least, channels both ways in multiples of 8, and kernels' planes of 40
  // MiB at most: 512 x 512 channels of them.
  static bool fits(const Shape& shape);

  // kernels: outputs x channels x kernel x kernel; bias: outputs. REQUIRES: fits(shape).
  WinogradConvolution(const Shape& shape, const std::vector<float>& kernels,
                      const std::vector<float>& bias);

  // What run() works in, for so many pictures. REQUIRES: count > 0.
  std::size_t scratch_floats(std::size_t count) const;

  // pictures: count x height x width x channels. results: count x result_height x result_width x
  // outputs, as of a plain convolution but for rounding: some 1e-5 of the largest result.
  // REQUIRES: count > 0.
  void run(std::size_t count, const float* pictures, float* results, float* scratch,
           Processor processor = this_processor()) const;

 private:
  // The kernels' numbers for a block of outputs, in one channel of one plane: a cache line.
  static constexpr std::size_t kBlock = 16;
  struct alignas(64) Line {
    float of_output[kBlock];
  };
  template <std::size_t kKernel>
  class Run;
  template <std::size_t kKernel>
  void make_lines(const std::vector<float>& kernels);

  std::size_t tiles(std::size_t count) const;
  std::size_t tiles_at_once(std::size_t tiles) const;

  Shape shape_;
  std::size_t tiles_down_, tiles_across_;  // of a picture
  std::vector<Line> lines_;                // block of outputs x plane x channel, and a plane's more
  std::vector<Line> bias_;                 // block of outputs
};

}  // namespace imgrec::kernels
