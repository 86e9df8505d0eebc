// Steps of a plan by our own kernels (kernels/), where they can do them: float values, channels
// last.
//
// Thread rule: plain functions; WinogradKernels is for one thread.
// Owns: what they return. WinogradKernels owns nothing.
// Inner header of this directory: it brings oneDNN in.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/winograd_convolution.h"
#include "worker/graph/graph.h"
#include "worker/inference/step_ways.h"

namespace imgrec::worker {

// The kernels' planes of a network, which are the same for any number of pictures: those that some
// way still uses.
class WinogradKernels {
 public:
  using Kernel = kernels::WinogradConvolution;
  // REQUIRES: Kernel::fits(shape); the convolution's weights outlive what is returned.
  std::shared_ptr<const Kernel> of(const Convolution& convolution, const Kernel::Shape& shape);

 private:
  using Key = std::tuple<const void*, const void*, std::array<std::size_t, 9>, float, float>;
  std::map<Key, std::weak_ptr<const Kernel>> known_;
};

// batch x channels x height x width, channels last. Nothing: not for these kernels.
std::optional<Way> winograd_way(const dnnl::engine& engine, WinogradKernels& known,
                                const Convolution& convolution, const dnnl::memory::desc& source,
                                const dnnl::memory::desc& target);
std::optional<Way> local_normalisation_way(const LocalNormalisation& normalisation,
                                           const dnnl::memory::desc& source,
                                           const dnnl::memory::desc& target);
std::optional<Way> max_pooling_way(const Pooling& pooling, const dnnl::memory::desc& source,
                                   const dnnl::memory::desc& target);

}  // namespace imgrec::worker
