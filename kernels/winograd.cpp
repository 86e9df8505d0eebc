#include "kernels/winograd.h"

#include <algorithm>

#include "kernels/winograd_sums.h"

namespace imgrec::kernels::winograd {
namespace {

constexpr auto kResultSums = result_sums<kTile>();
constexpr Matrix<6, 6> kInputSumsBack = transposed(kInputSums);
constexpr Matrix<6, 4> kResultSumsBack = transposed(kResultSums);

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

template <const auto& kMatrix, std::size_t kMargin>
IMGREC_INLINE inline void gather(const Pictures& of, const float* pictures, float* planes) {
  constexpr std::size_t kSide = kTile + 2 * kMargin;
  const std::size_t plane = of.tiles() * of.channels;
  each_tile<kMargin>(
      of, [&](std::size_t tile, std::size_t picture, const Part<kSide>& part) IMGREC_INLINE {
        for (std::size_t channel = 0; channel < of.channels; channel += kLanes) {
          Square<kSide> from{};
          Square<6> to;
          part.inside(of.height, of.width, [&](std::size_t place, std::size_t at) IMGREC_INLINE {
            load(pictures + picture + at * of.channels + channel, from.at[place]);
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
          part.inside(of.height, of.width, [&](std::size_t place, std::size_t at) IMGREC_INLINE {
            float* own = pictures + picture + at * of.channels + channel;
            if (kOverlap) {
              Lanes there;
              load(own, there);
              to.at[place] += there;
            }
            store(to.at[place], own);
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
IMGREC_WINOGRAD_SUMS(Avx2, IMGREC_FOR_AVX2);
#undef IMGREC_WINOGRAD_SUMS

const Sums& sums(Processor processor) {
  return processor == Processor::kAvx2 ? Avx2::kAll : Plain::kAll;
}

}  // namespace

void to_planes(const Pictures& inputs, const float* pictures, float* planes, Processor processor) {
  sums(processor).to_planes(inputs, pictures, planes);
}
void from_planes(const Pictures& results, const float* planes, float* pictures,
                 Processor processor) {
  sums(processor).from_planes(results, planes, pictures);
}
void gradient_to_planes(const Pictures& results, const float* pictures, float* planes,
                        Processor processor) {
  sums(processor).gradient_to_planes(results, pictures, planes);
}
void gradient_from_planes(const Pictures& inputs, const float* planes, float* pictures,
                          Processor processor) {
  sums(processor).gradient_from_planes(inputs, planes, pictures);
}

}  // namespace imgrec::kernels::winograd
