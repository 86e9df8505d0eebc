// The largest value of each window over a picture, channels last.
//
// Thread rule: none; a function of its arguments. Owns: nothing.
#pragma once

#include <cstddef>

#include "kernels/processor.h"

namespace imgrec::kernels {

struct MaxPooling {
  std::size_t height = 0, width = 0, channels = 0;  // of a picture
  std::size_t result_height = 0, result_width = 0;
  std::size_t kernel_h = 1, kernel_w = 1;  // the window's size
  std::size_t stride_h = 1, stride_w = 1;  // from one window to the next
  std::size_t top = 0, left = 0;           // places of the first window outside the picture

  // Each window has a place inside the picture.
  bool fits() const {
    return height > 0 && width > 0 && result_height > 0 && result_width > 0 && top < kernel_h &&
           left < kernel_w && (result_height - 1) * stride_h < height + top &&
           (result_width - 1) * stride_w < width + left;
  }

  // What run() works in.
  std::size_t scratch_floats() const { return width * channels; }

  // pictures: count x height x width x channels; results: count x result_height x result_width x
  // channels. REQUIRES: fits().
  void run(std::size_t count, const float* pictures, float* results, float* scratch,
           Processor processor = this_processor()) const;
};

}  // namespace imgrec::kernels
