// The sums around the products of a 3x3 convolution by Winograd's minimal filtering: tiles of 4x4
// results are of 6x6 inputs, which take 36 products a channel in place of 144. F(4x4, 3x3) of Lavin
// and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), section 4.3; its gradients
// are the same sums, transposed.
//
// Pictures are count x height x width x channels, height and width multiples of 4, channels of 8.
// Planes are 36 x tiles x channels: a plane for each of a tile's 6x6 places, row by row.
//
// Thread rule: none; functions of their arguments. Owns: nothing.
#pragma once

#include <array>
#include <cstddef>

#include "kernels/processor.h"

namespace imgrec::kernels::winograd {

inline constexpr std::size_t kTile = 4;      // results of a tile, each way
inline constexpr std::size_t kPlanes = 36;   // and its places before the sums, both ways
inline constexpr std::size_t kChannels = 8;  // at a time
inline constexpr std::array<float, 5> kPoints{0, 1, -1, 2, -2};

struct Pictures {
  std::size_t count = 0, height = 0, width = 0, channels = 0;
  std::size_t tiles_each() const { return height / kTile * (width / kTile); }
  std::size_t tiles() const { return count * tiles_each(); }
  std::size_t values_each() const { return height * width * channels; }
};

// What the products are made of: B^T d B of each tile's 6x6 inputs, of which the outermost are its
// neighbours', or zero beyond the edge.
void to_planes(const Pictures& inputs, const float* pictures, float* planes,
               Processor processor = this_processor());
// What the products make: A^T m A.
void from_planes(const Pictures& results, const float* planes, float* pictures,
                 Processor processor = this_processor());

// The gradients of what these two took, from those of what they made.
void gradient_to_planes(const Pictures& results, const float* pictures, float* planes,
                        Processor processor = this_processor());
void gradient_from_planes(const Pictures& inputs, const float* planes, float* pictures,
                          Processor processor = this_processor());

// What a kernel of kSize x kSize is multiplied with from both sides, G g G^T: the third of the
// three sums, for whoever has few kernels and a library. Its rows are a polynomial's powers at five
// points, scaled, and at infinity.
template <std::size_t kSize>
constexpr std::array<std::array<float, kSize>, 6> kernel_sums() {
  std::array<std::array<float, kSize>, 6> sums{};
  constexpr std::array<float, 5> kScales{1.F / 4, -1.F / 6, -1.F / 6, 1.F / 24, 1.F / 24};
  for (std::size_t row = 0; row < kPoints.size(); ++row) {
    float power = kScales[row];
    for (float& sum : sums[row]) {
      sum = power;
      power *= kPoints[row];
    }
  }
  sums[5][kSize - 1] = 1;
  return sums;
}

}  // namespace imgrec::kernels::winograd
