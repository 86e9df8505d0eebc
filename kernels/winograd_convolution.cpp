#include "kernels/winograd_convolution.h"

#include <algorithm>

#include "kernels/winograd.h"
#include "kernels/winograd_sums.h"

namespace imgrec::kernels {
namespace {

using winograd::BothWays;
using winograd::kPlanes;
using winograd::Part;
using winograd::Square;

constexpr std::size_t kSide = 6;  // of a tile's inputs
// Of its results.
constexpr std::size_t tile_of(std::size_t kernel) { return kSide - kernel + 1; }
// What the inputs' planes may take of the processor's own cache (512 KiB on Zen 3, 1 to 2 MiB on
// newer ones): all blocks of outputs read them again. Half as much and half as much again are
// slower by up to a tenth.
constexpr std::size_t kPlanesBytes = 256 << 10;
constexpr std::size_t kFewestTiles = 12;  // each loads all kernels anew
// Of the kernels: what a network's fourfold weights may take of a worker's memory.
constexpr std::size_t kMostLinesBytes = 40 << 20;
// Further than any network goes, and no sum of them overflows.
constexpr std::size_t kLargestSize = 1 << 20;

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// to = a * b, to: rows x 16; a: rows x depth, b: depth x 16, in lines. Twelve sums, two of b's
// vectors and one number of a's fill the sixteen registers.
template <std::size_t kRows>
IMGREC_INLINE inline void multiply(const float* a, const float* b, std::size_t depth, float* to) {
  Lanes sums[kRows][2];
#pragma GCC unroll 6
  for (std::size_t r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = Lanes{};
  for (std::size_t k = 0; k < depth; ++k, b += 2 * kLanes) {
    // Of the next product, which is that far ahead: the kernels' planes come from memory.
    __builtin_prefetch(b + depth * 2 * kLanes);
    Lanes low, high;
    load(b, low);
    load(b + kLanes, high);
#pragma GCC unroll 6
    for (std::size_t r = 0; r < kRows; ++r) {
      const float f = a[r * depth + k];
      const Lanes factor{IMGREC_ALL(f)};

      sums[r][0] += factor * low;
      sums[r][1] += factor * high;
    }
  }
#pragma GCC unroll 6
  for (std::size_t r = 0; r < kRows; ++r) {
    store(sums[r][0], to + r * 2 * kLanes);
    store(sums[r][1], to + r * 2 * kLanes + kLanes);
  }
}

// The same for any number of rows, in pieces of nearly the same size.
IMGREC_INLINE inline void multiply_all(const float* a, std::size_t rows, const float* b,
                                       std::size_t depth, float* to) {
  const std::size_t pieces = divide_up(rows, 6);
  for (std::size_t piece = 0, row = 0; piece < pieces; ++piece) {
    const std::size_t count = rows * (piece + 1) / pieces - row;
    const float* from = a + row * depth;
    float* target = to + row * 2 * kLanes;
    switch (count) {
      case 6:
        multiply<6>(from, b, depth, target);
        break;
      case 5:
        multiply<5>(from, b, depth, target);
        break;
      case 4:
        multiply<4>(from, b, depth, target);
        break;
      case 3:
        multiply<3>(from, b, depth, target);
        break;
      case 2:
        multiply<2>(from, b, depth, target);
        break;
      default:
        multiply<1>(from, b, depth, target);
    }
    row += count;
  }
}

IMGREC_INLINE inline void bound(float least, float most, Lanes& values) {
  const Lanes lower{IMGREC_ALL(least)}, upper{IMGREC_ALL(most)};
  values = values < lower ? lower : values;
  values = values > upper ? upper : values;
}

}  // namespace

// One call of run().
template <std::size_t kKernel>
class WinogradConvolution::Run {
  static constexpr std::size_t kTile = tile_of(kKernel);
  static constexpr auto kResultSums = winograd::result_sums<kTile>();

 public:
  Run(const WinogradConvolution& of, std::size_t count, const float* pictures, float* results,
      float* scratch)
      : of_(of),
        shape_(of.shape_),
        tiles_(of.tiles(count)),
        at_once_(of.tiles_at_once(tiles_)),
        pictures_(pictures),
        results_(results),
        inputs_(scratch),
        products_(scratch + kPlanes * at_once_ * of.shape_.channels) {}

  void all() const { all_of_them(); }
  IMGREC_FOR_AVX2 void all_with_avx2() const { all_of_them(); }

 private:
  IMGREC_INLINE void all_of_them() const {
    for (std::size_t first = 0; first < tiles_; first += at_once_) {
      some(first, std::min(at_once_, tiles_ - first));
    }
  }

  // Where a tile of results begins.
  struct Place {
    std::size_t picture, row, column;
  };
  IMGREC_INLINE Place place(std::size_t tile) const {
    const std::size_t each = of_.tiles_down_ * of_.tiles_across_;
    return {tile / each, tile % each / of_.tiles_across_ * kTile, tile % of_.tiles_across_ * kTile};
  }

  // `count` tiles from `first` on.
  IMGREC_INLINE void some(std::size_t first, std::size_t count) const {
    const std::size_t channels = shape_.channels;
    for (std::size_t tile = 0; tile < count; ++tile) to_planes(place(first + tile), tile, count);
    const float* lines = reinterpret_cast<const float*>(of_.lines_.data());
    for (std::size_t block = 0; block < of_.bias_.size(); ++block) {
      for (std::size_t p = 0; p < kPlanes; ++p, lines += channels * kBlock) {
        multiply_all(inputs_ + p * count * channels, count, lines, channels,
                     products_ + p * count * kBlock);
      }
      for (std::size_t tile = 0; tile < count; ++tile) {
        from_planes(place(first + tile), tile, count, block);
      }
    }
  }

  IMGREC_INLINE void to_planes(const Place& at, std::size_t tile, std::size_t count) const {
    const std::size_t channels = shape_.channels;
    const Part<kSide> part{
        static_cast<std::ptrdiff_t>(at.row) - static_cast<std::ptrdiff_t>(shape_.top),
        static_cast<std::ptrdiff_t>(at.column) - static_cast<std::ptrdiff_t>(shape_.left)};
    const float* picture = pictures_ + at.picture * shape_.height * shape_.width * channels;
    const bool whole = part.whole(shape_.height, shape_.width);
    for (std::size_t channel = 0; channel < channels; channel += kLanes) {
      Square<kSide> from, to;
      if (whole) {
        const float* corner = picture +
                              (static_cast<std::size_t>(part.top) * shape_.width +
                               static_cast<std::size_t>(part.left)) *
                                  channels +
                              channel;
#pragma GCC unroll 6
        for (std::size_t r = 0; r < kSide; ++r) {
#pragma GCC unroll 6
          for (std::size_t c = 0; c < kSide; ++c) {
            load(corner + (r * shape_.width + c) * channels, from.at[r * kSide + c]);
          }
        }
      } else {
        from = {};
        part.inside(shape_.height, shape_.width,
                    [&](std::size_t place, std::size_t in_picture) IMGREC_INLINE {
                      load(picture + in_picture * channels + channel, from.at[place]);
                    });
      }
      BothWays<winograd::kInputSums>::apply(from.at, to.at);
#pragma GCC unroll 36
      for (std::size_t p = 0; p < kPlanes; ++p) {
        store(to.at[p], inputs_ + (p * count + tile) * channels + channel);
      }
    }
  }

  IMGREC_INLINE void from_planes(const Place& at, std::size_t tile, std::size_t count,
                                 std::size_t block) const {
    const std::size_t height = shape_.result_height(), width = shape_.result_width();
    const Part<kTile> part{static_cast<std::ptrdiff_t>(at.row),
                           static_cast<std::ptrdiff_t>(at.column)};
    const std::size_t end = std::min(kBlock, shape_.outputs - block * kBlock);
    for (std::size_t output = 0; output < end; output += kLanes) {
      Square<kSide> from;
      Square<kTile> to;
      Lanes bias;
      load(of_.bias_[block].of_output + output, bias);
#pragma GCC unroll 36
      for (std::size_t p = 0; p < kPlanes; ++p) {
        load(products_ + (p * count + tile) * kBlock + output, from.at[p]);
      }
      BothWays<kResultSums>::apply(from.at, to.at);
      float* result =
          results_ + at.picture * height * width * shape_.outputs + block * kBlock + output;
      part.inside(height, width, [&](std::size_t place, std::size_t in_result) IMGREC_INLINE {
        Lanes values = to.at[place] + bias;
        bound(shape_.least, shape_.most, values);
        store(values, result + in_result * shape_.outputs);
      });
    }
  }

  const WinogradConvolution& of_;
  const Shape& shape_;
  const std::size_t tiles_, at_once_;
  const float* const pictures_;
  float* const results_;
  float* const inputs_;    // plane x tile x channel
  float* const products_;  // plane x tile x output of a block
};

bool WinogradConvolution::fits(const Shape& shape) {
  for (const std::size_t size : {shape.height, shape.width, shape.channels, shape.outputs,
                                 shape.top, shape.left, shape.bottom, shape.right}) {
    if (size > kLargestSize) return false;
  }
  const std::size_t lines = divide_up(shape.outputs, kBlock) * kPlanes * shape.channels;
  return (shape.kernel == 3 || shape.kernel == 5) &&
         shape.height + shape.top + shape.bottom >= shape.kernel &&
         shape.width + shape.left + shape.right >= shape.kernel && shape.channels > 0 &&
         shape.channels % kLanes == 0 && shape.outputs > 0 && shape.outputs % kLanes == 0 &&
         lines <= kMostLinesBytes / sizeof(Line);
}

WinogradConvolution::WinogradConvolution(const Shape& shape, const std::vector<float>& kernels,
                                         const std::vector<float>& bias)
    : shape_(shape),
      tiles_down_(divide_up(shape.result_height(), tile_of(shape.kernel))),
      tiles_across_(divide_up(shape.result_width(), tile_of(shape.kernel))),
      lines_((divide_up(shape.outputs, kBlock) * kPlanes + 1) * shape.channels),
      bias_(divide_up(shape.outputs, kBlock)) {
  for (std::size_t output = 0; output < shape.outputs; ++output) {
    bias_[output / kBlock].of_output[output % kBlock] = bias[output];
  }
  if (shape.kernel == 3) {
    make_lines<3>(kernels);
  } else {
    make_lines<5>(kernels);
  }
}

template <std::size_t kKernel>
void WinogradConvolution::make_lines(const std::vector<float>& kernels) {
  constexpr auto kSums = winograd::kernel_sums<kKernel>();
  // The lines of a channel lie far apart, so each is written at once.
  for (std::size_t block = 0; block < bias_.size(); ++block) {
    const std::size_t first = block * kBlock;
    const std::size_t count = std::min(kBlock, shape_.outputs - first);
    for (std::size_t channel = 0; channel < shape_.channels; ++channel) {
      Line lines[kPlanes] = {};
      for (std::size_t output = 0; output < count; ++output) {
        const float* kernel =
            &kernels[((first + output) * shape_.channels + channel) * kKernel * kKernel];
        float half[kSide][kKernel] = {};  // summed up along columns
        for (std::size_t r = 0; r < kSide; ++r) {
          for (std::size_t k = 0; k < kKernel; ++k) {
            for (std::size_t c = 0; c < kKernel; ++c) {
              half[r][c] += kSums[r][k] * kernel[k * kKernel + c];
            }
          }
        }
        for (std::size_t p = 0; p < kPlanes; ++p) {
          float sum = 0;
          for (std::size_t k = 0; k < kKernel; ++k) sum += kSums[p % kSide][k] * half[p / kSide][k];
          lines[p].of_output[output] = sum;
        }
      }
      for (std::size_t p = 0; p < kPlanes; ++p) {
        lines_[(block * kPlanes + p) * shape_.channels + channel] = lines[p];
      }
    }
  }
}

std::size_t WinogradConvolution::tiles(std::size_t count) const {
  return count * tiles_down_ * tiles_across_;
}

// As many in each turn, nearly.
std::size_t WinogradConvolution::tiles_at_once(std::size_t tiles) const {
  const std::size_t most =
      std::max(kFewestTiles, kPlanesBytes / (kPlanes * shape_.channels * sizeof(float)));
  return divide_up(tiles, divide_up(tiles, most));
}

std::size_t WinogradConvolution::scratch_floats(std::size_t count) const {
  return kPlanes * tiles_at_once(tiles(count)) * (shape_.channels + kBlock);
}

void WinogradConvolution::run(std::size_t count, const float* pictures, float* results,
                              float* scratch, Processor processor) const {
  const auto with = [&](const auto& run) {
    if (processor == Processor::kAvx2) {
      run.all_with_avx2();
    } else {
      run.all();
    }
  };
  if (shape_.kernel == 3) {
    with(Run<3>(*this, count, pictures, results, scratch));
  } else {
    with(Run<5>(*this, count, pictures, results, scratch));
  }
}

}  // namespace imgrec::kernels
