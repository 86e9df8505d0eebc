// In which number format each tensor of a graph is kept, and each node computed.
//
// int8 is the usual scheme of affine quantisation without zero points (Jacob et al., "Quantization
// and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018): values
// that are never negative, as after a ReLU, are kept as 8-bit x = scale * q with q = 0…255, weights
// as -127…127 with a scale per output channel, sums as 32-bit integers.
//
// Thread rule: pure functions.
// Owns: nothing.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/graph/graph.h"

namespace imgrec::worker {

enum class Precision { kFp32, kBf16, kInt8 };
std::string_view to_string(Precision precision);
std::optional<Precision> parse_precision(std::string_view text);

// The largest value that a tensor takes, by its name, as observed on real photos; tensors that are
// sometimes negative are not listed.
using Ranges = std::map<std::string, float>;

enum class Format { kFloat, kReduced, kByte };  // 32-bit; bfloat16; 8-bit with a scale

struct TensorFormat {
  Format format = Format::kFloat;
  float scale = 1;  // of kByte
};

struct Formats {
  std::vector<TensorFormat> tensors;  // by TensorId: how it is written; a reader may convert it
  std::vector<bool> bytes;            // by node: true: a convolution of bytes
};

// How many convolutions count in bytes. 0: of such a network there is no int8.
std::size_t byte_convolutions(const Formats& formats);
inline constexpr const char* kWhyNoBytes =
    "each of its convolutions reads values that are negative at times, as after SiLU; use bf16 or "
    "fp32";

// `reduced`: what to use where bytes cannot be: kFloat or kReduced. `ranges` is used by kInt8 only;
// a convolution whose input has no range is computed in `reduced`.
Formats choose_formats(const Graph& graph, Precision precision, Format reduced,
                       const Ranges& ranges);

}  // namespace imgrec::worker
