// Local response normalisation across channels, channels last (Krizhevsky, Sutskever and Hinton,
// "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 3.3).
//
// Thread rule: none; a function of its arguments. Owns: nothing.
#pragma once

#include <cstddef>

#include "kernels/processor.h"

namespace imgrec::kernels {

// x * (k + alpha / size * sum of x² over `size` neighbouring channels) ^ -0.75: roots are faster
// than any power, and this is the one that networks have.
struct LocalNormalisation {
  static constexpr float kBeta = 0.75F;

  std::size_t channels = 0;
  std::size_t size = 5;
  float alpha = 1;
  float k = 1;

  bool fits() const { return channels > 0 && (size == 3 || size == 5); }

  // What run() works in.
  std::size_t scratch_floats() const { return channels + size - 1; }

  // values and results: places x channels. REQUIRES: fits().
  void run(std::size_t places, const float* values, float* results, float* scratch,
           Processor processor = this_processor()) const;
};

}  // namespace imgrec::kernels
