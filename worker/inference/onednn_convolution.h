// One convolution as a oneDNN primitive, in each of the ways that oneDNN has for it.
//
// Thread rule: plain functions.
// Owns: what it returns.
// Inner header of this directory: it brings oneDNN in.
#pragma once

#include <cstdint>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

#include "worker/graph/graph.h"
#include "worker/inference/step_ways.h"

namespace imgrec::worker {

struct ConvolutionFormats {
  dnnl::memory::desc source;  // channels last
  dnnl::memory::desc target;  // channels last
  bool bytes = false;         // source of bytes, whole-number arithmetic
  float source_scale = 1;     // of bytes
  float target_scale = 1;     // of bytes
};

// Directly, and by Winograd's minimal filtering where oneDNN has it (of 3x3 kernels, in fp32, with
// AVX-512 alone): it takes 2.25 to 4 times fewer multiplications, but more of all else, and another
// layout (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). Throws
// dnnl::error.
std::vector<Way> convolution_ways(const dnnl::engine& engine, const Convolution& convolution,
                                  std::int64_t inputs, const ConvolutionFormats& formats);

// An activation as oneDNN names it, of results that are kept as multiples of `scale`.
struct Elementwise {
  dnnl::algorithm how;
  float alpha, beta;
};
// REQUIRES: not kNone.
Elementwise elementwise_of(Activation activation, float scale = 1);

// What a primitive does to its results, and whose memory it works in: the caller's.
dnnl::primitive_attr plan_attributes(Activation activation, float target_scale = 1);

}  // namespace imgrec::worker
