// Arrays of numbers for tests of kernels: the same in every run.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

namespace imgrec::kernels {

using Values = std::vector<float>;

// -1 to 1, in steps of a thousandth.
inline Values random_values(std::size_t count, std::mt19937& random) {
  Values values(count);
  for (float& value : values) value = static_cast<float>(random() % 2001) / 1000 - 1;
  return values;
}

}  // namespace imgrec::kernels
