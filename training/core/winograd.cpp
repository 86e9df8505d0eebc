#include "training/core/winograd.h"

#include <algorithm>
#include <cstring>

// So that all of it is compiled for the processor that the function is for into which it goes.
#define IMGREC_INLINE __attribute__((always_inline))

namespace imgrec::training::winograd {
namespace {

typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

// A square of them, row by row. (gcc 12 takes no plain array of them in a template's lambda.)
template <std::size_t kSide>
struct Square {
  Lanes at[kSide * kSide];
};

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

constexpr Matrix<6, 6> kInputSums{{{4, 0, -5, 0, 1, 0},
                                   {0, -4, -4, 1, 1, 0},
                                   {0, 4, -4, -1, 1, 0},
                                   {0, -2, -1, 2, 1, 0},
                                   {0, 2, -1, -2, 1, 0},
                                   {0, 4, 0, -5, 0, 1}}};
constexpr Matrix<4, 6> kResultSums{
    {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}}};
constexpr Matrix<6, 6> kInputSumsBack = transposed(kInputSums);
constexpr Matrix<6, 4> kResultSumsBack = transposed(kResultSums);

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

// A square part of a picture that may reach over its edge.
template <std::size_t kSide>
struct Part {
  std::ptrdiff_t top, left;

  // Calls visit(place in the part, offset of its first channel) for the places inside.
  template <class Visit>
  IMGREC_INLINE void inside(const Pictures& of, Visit visit) const {
    const auto height = static_cast<std::ptrdiff_t>(of.height);
    const auto width = static_cast<std::ptrdiff_t>(of.width);
    constexpr auto kEnd = static_cast<std::ptrdiff_t>(kSide);
    const std::ptrdiff_t last_row = std::min(kEnd, height - top);
    const std::ptrdiff_t last_column = std::min(kEnd, width - left);
    for (std::ptrdiff_t r = std::max<std::ptrdiff_t>(0, -top); r < last_row; ++r) {
      for (std::ptrdiff_t c = std::max<std::ptrdiff_t>(0, -left); c < last_column; ++c) {
        visit(static_cast<std::size_t>(r * kEnd + c),
              static_cast<std::size_t>((top + r) * width + left + c) * of.channels);
      }
    }
  }
};

// Calls visit(tile, first value of its picture, part) for all tiles; kMargin: places of the part
// before the tile, and behind it.
template <std::size_t kMargin, class Visit>
IMGREC_INLINE inline void each_tile(const Pictures& of, Visit visit) {
  constexpr auto kBefore = static_cast<std::ptrdiff_t>(kMargin);
  std::size_t tile = 0;
  for (std::size_t picture = 0; picture < of.count; ++picture) {
    for (std::size_t row = 0; row < of.height; row += kTile) {
      for (std::size_t column = 0; column < of.width; column += kTile) {
        visit(tile++, picture * of.values_each(),
              Part<kTile + 2 * kMargin>{static_cast<std::ptrdiff_t>(row) - kBefore,
                                        static_cast<std::ptrdiff_t>(column) - kBefore});
      }
    }
  }
}

IMGREC_INLINE inline void load(const float* from, Lanes& lanes) {
  std::memcpy(&lanes, from, sizeof lanes);
}

IMGREC_INLINE inline void store(const Lanes& lanes, float* to) {
  std::memcpy(to, &lanes, sizeof lanes);
}

template <const auto& kMatrix, std::size_t kMargin>
IMGREC_INLINE inline void gather(const Pictures& of, const float* pictures, float* planes) {
  constexpr std::size_t kSide = kTile + 2 * kMargin;
  const std::size_t plane = of.tiles() * of.channels;
  each_tile<kMargin>(
      of, [&](std::size_t tile, std::size_t picture, const Part<kSide>& part) IMGREC_INLINE {
        for (std::size_t channel = 0; channel < of.channels; channel += kLanes) {
          Square<kSide> from{};
          Square<6> to;
          part.inside(of, [&](std::size_t place, std::size_t offset) IMGREC_INLINE {
            load(pictures + picture + offset + channel, from.at[place]);
          });
          BothWays<kMatrix>::apply(from.at, to.at);
          for (std::size_t p = 0; p < kPlanes; ++p) {
            store(to.at[p], planes + p * plane + tile * of.channels + channel);
          }
        }
      });
}

// Parts that overlap are added up.
template <const auto& kMatrix, std::size_t kMargin>
IMGREC_INLINE inline void scatter(const Pictures& of, const float* planes, float* pictures) {
  constexpr std::size_t kSide = kTile + 2 * kMargin;
  const std::size_t plane = of.tiles() * of.channels;
  constexpr bool kOverlap = kMargin > 0;
  if (kOverlap) std::fill_n(pictures, of.count * of.values_each(), 0.F);
  each_tile<kMargin>(
      of, [&](std::size_t tile, std::size_t picture, const Part<kSide>& part) IMGREC_INLINE {
        for (std::size_t channel = 0; channel < of.channels; channel += kLanes) {
          Square<6> from;
          Square<kSide> to;
          for (std::size_t p = 0; p < kPlanes; ++p) {
            load(planes + p * plane + tile * of.channels + channel, from.at[p]);
          }
          BothWays<kMatrix>::apply(from.at, to.at);
          part.inside(of, [&](std::size_t place, std::size_t offset) IMGREC_INLINE {
            float* at = pictures + picture + offset + channel;
            if (kOverlap) {
              Lanes there;
              load(at, there);
              to.at[place] += there;
            }
            store(to.at[place], at);
          });
        }
      });
}

struct Sums {
  using Function = void (*)(const Pictures&, const float*, float*);
  Function to_planes, from_planes, gradient_to_planes, gradient_from_planes;
};

// The four of them, for processors that have `features`.
#define IMGREC_WINOGRAD_SUMS(name, features)                                                      \
  struct name {                                                                                   \
    features static void to_planes(const Pictures& of, const float* from, float* to) {            \
      gather<kInputSums, 1>(of, from, to);                                                        \
    }                                                                                             \
    features static void from_planes(const Pictures& of, const float* from, float* to) {          \
      scatter<kResultSums, 0>(of, from, to);                                                      \
    }                                                                                             \
    features static void gradient_to_planes(const Pictures& of, const float* from, float* to) {   \
      gather<kResultSumsBack, 0>(of, from, to);                                                   \
    }                                                                                             \
    features static void gradient_from_planes(const Pictures& of, const float* from, float* to) { \
      scatter<kInputSumsBack, 1>(of, from, to);                                                   \
    }                                                                                             \
    static constexpr Sums kAll{to_planes, from_planes, gradient_to_planes, gradient_from_planes}; \
  }

IMGREC_WINOGRAD_SUMS(Plain, );
#if defined(__x86_64__)
IMGREC_WINOGRAD_SUMS(Avx2, [[gnu::target("avx2,fma")]]);
#endif
#undef IMGREC_WINOGRAD_SUMS
#undef IMGREC_INLINE

const Sums& sums() {
#if defined(__x86_64__)
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2) return Avx2::kAll;
#endif
  return Plain::kAll;
}

}  // namespace

void to_planes(const Pictures& inputs, const float* pictures, float* planes) {
  sums().to_planes(inputs, pictures, planes);
}
void from_planes(const Pictures& results, const float* planes, float* pictures) {
  sums().from_planes(results, planes, pictures);
}
void gradient_to_planes(const Pictures& results, const float* pictures, float* planes) {
  sums().gradient_to_planes(results, pictures, planes);
}
void gradient_from_planes(const Pictures& inputs, const float* planes, float* pictures) {
  sums().gradient_from_planes(inputs, planes, pictures);
}

}  // namespace imgrec::training::winograd
