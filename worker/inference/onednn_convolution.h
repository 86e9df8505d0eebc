// One convolution as a oneDNN primitive, in the fastest of the ways that oneDNN has for it.
//
// Thread rule: on a thread that is set to compute alone, as it measures.
// Owns: what it returns.
// Inner header of this directory: it brings oneDNN in.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include "worker/graph/graph.h"

namespace imgrec::worker {

struct ConvolutionFormats {
  dnnl::memory::desc source;  // channels last
  dnnl::memory::desc target;  // channels last
  bool bytes = false;         // source of bytes, whole-number arithmetic
  float source_scale = 1;     // of bytes
  float target_scale = 1;     // of bytes
};

struct PlannedConvolution {
  dnnl::convolution_forward::primitive_desc primitive;  // says what layouts it wants
  dnnl::memory weights;
  dnnl::memory bias;
};

// Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2016) takes 2.25 to 4 times fewer multiplications for 3x3 kernels, but more of all
// else, another layout, and fp32. It is taken where it is measured to be faster here and now, its
// changes of layout included. Throws dnnl::error.
PlannedConvolution plan_convolution(const dnnl::engine& engine, const Convolution& convolution,
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
