// The sums before and behind the products of a convolution by Winograd's minimal filtering, on one
// tile of eight channels. See winograd.h for the algorithm and its source.
//
// Thread rule: none; functions of their arguments. Owns: nothing.
// Inner header of this directory.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "kernels/lanes.h"
#include "kernels/winograd.h"

namespace imgrec::kernels::winograd {

static_assert(kChannels == kLanes);

template <std::size_t kRows, std::size_t kColumns>
using Matrix = std::array<std::array<float, kColumns>, kRows>;

template <std::size_t kRows, std::size_t kColumns>
constexpr Matrix<kColumns, kRows> transposed(const Matrix<kRows, kColumns>& matrix) {
  Matrix<kColumns, kRows> result{};
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kColumns; ++c) result[c][r] = matrix[r][c];
  }
  return result;
}

// B^T, whatever the size of the kernel: the points are the same.
inline constexpr Matrix<6, 6> kInputSums{{{4, 0, -5, 0, 1, 0},
                                          {0, -4, -4, 1, 1, 0},
                                          {0, 4, -4, -1, 1, 0},
                                          {0, -2, -1, 2, 1, 0},
                                          {0, 2, -1, -2, 1, 0},
                                          {0, 4, 0, -5, 0, 1}}};
// A^T, for tiles of kTile x kTile results.
template <std::size_t kTile>
constexpr Matrix<kTile, 6> result_sums() {
  Matrix<kTile, 6> sums{};
  for (std::size_t point = 0; point < kPoints.size(); ++point) {
    float power = 1;
    for (auto& row : sums) {
      row[point] = power;
      power *= kPoints[point];
    }
  }
  sums[kTile - 1][5] = 1;
  return sums;
}

// A square of vectors, row by row. (gcc 12 takes no plain array of them in a template's lambda.)
template <std::size_t kSide>
struct Square {
  Lanes at[kSide * kSide];
};

// to = kMatrix * from, of vectors whose elements lie `step` apart.
template <const auto& kMatrix, std::size_t kRows, std::size_t kColumns>
IMGREC_INLINE inline void multiply(const Lanes* from, std::size_t from_step, Lanes* to,
                                   std::size_t to_step) {
#pragma GCC unroll 6
  for (std::size_t r = 0; r < kRows; ++r) {
    Lanes sum{};
#pragma GCC unroll 6
    for (std::size_t c = 0; c < kColumns; ++c) {
      if (kMatrix[r][c] != 0) sum += kMatrix[r][c] * from[c * from_step];
    }
    to[r * to_step] = sum;
  }
}

// kMatrix * from * transposed(kMatrix).
template <const auto& kMatrix>
struct BothWays {
  static constexpr std::size_t kRows = kMatrix.size();
  static constexpr std::size_t kColumns = kMatrix[0].size();
  IMGREC_INLINE static void apply(const Lanes* from, Lanes* to) {
    Lanes half[kRows * kColumns];
#pragma GCC unroll 6
    for (std::size_t c = 0; c < kColumns; ++c) {
      multiply<kMatrix, kRows, kColumns>(from + c, kColumns, half + c, kColumns);
    }
#pragma GCC unroll 6
    for (std::size_t r = 0; r < kRows; ++r) {
      multiply<kMatrix, kRows, kColumns>(half + r * kColumns, 1, to + r * kRows, 1);
    }
  }
};

// A square part of a picture that may reach over its edges.
template <std::size_t kSide>
struct Part {
  std::ptrdiff_t top, left;

  // No place of it is outside.
  IMGREC_INLINE bool whole(std::size_t picture_height, std::size_t picture_width) const {
    constexpr auto kEnd = static_cast<std::ptrdiff_t>(kSide);
    return top >= 0 && left >= 0 && top + kEnd <= static_cast<std::ptrdiff_t>(picture_height) &&
           left + kEnd <= static_cast<std::ptrdiff_t>(picture_width);
  }

  // Calls visit(place in the part, place in the picture) for the places that are in both.
  template <class Visit>
  IMGREC_INLINE void inside(std::size_t picture_height, std::size_t picture_width,
                            Visit visit) const {
    const auto height = static_cast<std::ptrdiff_t>(picture_height);
    const auto width = static_cast<std::ptrdiff_t>(picture_width);
    constexpr auto kEnd = static_cast<std::ptrdiff_t>(kSide);
    const std::ptrdiff_t last_row = std::min(kEnd, height - top);
    const std::ptrdiff_t last_column = std::min(kEnd, width - left);
    for (std::ptrdiff_t r = std::max<std::ptrdiff_t>(0, -top); r < last_row; ++r) {
      for (std::ptrdiff_t c = std::max<std::ptrdiff_t>(0, -left); c < last_column; ++c) {
        visit(static_cast<std::size_t>(r * kEnd + c),
              static_cast<std::size_t>((top + r) * width + left + c));
      }
    }
  }
};

}  // namespace imgrec::kernels::winograd
