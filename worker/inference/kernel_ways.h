// Steps of a plan by our own kernels (kernels/), where they can do them: float values, channels
// last.
//
// Thread rule: plain functions.
// Owns: what they return.
// Inner header of this directory: it brings oneDNN in.
#pragma once

#include <optional>

#include <oneapi/dnnl/dnnl.hpp>

#include "worker/graph/graph.h"
#include "worker/inference/step_ways.h"

namespace imgrec::worker {

// batch x channels x height x width, channels last. Nothing: not for these kernels.
std::optional<Way> winograd_way(const dnnl::engine& engine, const Convolution& convolution,
                                const dnnl::memory::desc& source, const dnnl::memory::desc& target);
std::optional<Way> local_normalisation_way(const LocalNormalisation& normalisation,
                                           const dnnl::memory::desc& source,
                                           const dnnl::memory::desc& target);
std::optional<Way> max_pooling_way(const Pooling& pooling, const dnnl::memory::desc& source,
                                   const dnnl::memory::desc& target);

}  // namespace imgrec::worker
