#include "worker/inference/kernel_ways.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "kernels/local_normalisation.h"
#include "kernels/max_pooling.h"
#include "kernels/winograd_convolution.h"
#include "worker/inference/onednn_convolution.h"

namespace imgrec::worker {
namespace {

using dnnl::memory;
using kernels::MaxPooling;
using kernels::WinogradConvolution;
using Type = memory::data_type;

struct Sizes {
  std::size_t count, channels, height, width;
};

std::size_t size_of(std::int64_t number) { return static_cast<std::size_t>(number); }

Sizes sizes(const memory::desc& desc) {
  const memory::dims dims = desc.dims();
  return {size_of(dims[0]), size_of(dims[1]), size_of(dims[2]), size_of(dims[3])};
}

bool are_floats(const memory::desc& source, const memory::desc& target) {
  return source.data_type() == Type::f32 && target.data_type() == Type::f32;
}

float* values(const StepArguments& arguments, int role) {
  return static_cast<float*>(arguments.at(role).get_data_handle());
}

memory::desc scratch_of(std::size_t floats) {
  return {{static_cast<std::int64_t>(floats)}, Type::f32, memory::format_tag::x};
}

// What a kernel's bounds cannot say is done afterwards, in place. Nothing: oneDNN cannot at speed.
std::optional<Way> elementwise_in_place(const dnnl::engine& engine, Activation activation,
                                        const memory::desc& desc) {
  const Elementwise own = elementwise_of(activation);
  Way way = way_of<dnnl::eltwise_forward>(
      {{dnnl::prop_kind::forward_inference, own.how, desc, own.alpha, own.beta},
       plan_attributes(Activation::kNone),
       engine});
  if (is_reference(way) || way.scratch.get_size() > 0) return std::nullopt;
  return way;
}

}  // namespace

std::shared_ptr<const WinogradConvolution> WinogradKernels::of(const Convolution& convolution,
                                                               const Kernel::Shape& shape) {
  const Key key{convolution.weights.get(),
                convolution.bias.get(),
                {shape.height, shape.width, shape.channels, shape.top, shape.left, shape.bottom,
                 shape.right, shape.kernel, shape.outputs},
                shape.least,
                shape.most};
  std::weak_ptr<const Kernel>& known = known_[key];
  auto kernel = known.lock();
  if (kernel == nullptr) {
    kernel = std::make_shared<const Kernel>(shape, *convolution.weights, *convolution.bias);
    known = kernel;
  }
  return kernel;
}

std::optional<Way> winograd_way(const dnnl::engine& engine, WinogradKernels& known,
                                const Convolution& convolution, const memory::desc& source,
                                const memory::desc& target) {
  const Window& w = convolution.window;
  const auto [count, channels, height, width] = sizes(source);
  WinogradConvolution::Shape shape{height,
                                   width,
                                   channels,
                                   size_of(w.top),
                                   size_of(w.left),
                                   size_of(w.bottom),
                                   size_of(w.right),
                                   size_of(w.kernel_h),
                                   size_of(convolution.outputs)};
  const bool fits = w.kernel_h == w.kernel_w && w.stride_h == 1 && w.stride_w == 1 &&
                    w.dilation_h == 1 && w.dilation_w == 1 && convolution.groups == 1 &&
                    are_floats(source, target) && WinogradConvolution::fits(shape);
  if (!fits) return std::nullopt;
  StepRun activation;
  switch (convolution.activation) {
    case Activation::kNone:
      break;
    case Activation::kRelu6:
      shape.most = 6;
      [[fallthrough]];
    case Activation::kRelu:
      shape.least = 0;
      break;
    case Activation::kSilu:
      auto silu = elementwise_in_place(engine, convolution.activation, target);
      if (!silu) return std::nullopt;
      activation = std::move(silu->run);
  }
  const auto kernel = known.of(convolution, shape);
  return Way{[kernel, activation, pictures = count](const dnnl::stream& stream,
                                                    const StepArguments& arguments) {
               kernel->run(pictures, values(arguments, DNNL_ARG_SRC),
                           values(arguments, DNNL_ARG_DST), values(arguments, DNNL_ARG_SCRATCHPAD));
               if (!activation) return;
               const memory& results = arguments.at(DNNL_ARG_DST);
               activation(stream, {{DNNL_ARG_SRC, results}, {DNNL_ARG_DST, results}});
             },
             source,
             target,
             scratch_of(kernel->scratch_floats(count)),
             {},
             "own Winograd"};
}

std::optional<Way> local_normalisation_way(const LocalNormalisation& normalisation,
                                           const memory::desc& source, const memory::desc& target) {
  const Sizes from = sizes(source);
  const kernels::LocalNormalisation kernel{from.channels, size_of(normalisation.size),
                                           normalisation.alpha, normalisation.k};
  const bool fits = normalisation.beta == kernels::LocalNormalisation::kBeta &&
                    are_floats(source, target) && kernel.fits();
  if (!fits) return std::nullopt;
  return Way{[kernel, places = from.count * from.height * from.width](
                 const dnnl::stream&, const StepArguments& arguments) {
               kernel.run(places, values(arguments, DNNL_ARG_SRC), values(arguments, DNNL_ARG_DST),
                          values(arguments, DNNL_ARG_SCRATCHPAD));
             },
             source,
             target,
             scratch_of(kernel.scratch_floats()),
             {},
             "own"};
}

std::optional<Way> max_pooling_way(const Pooling& pooling, const memory::desc& source,
                                   const memory::desc& target) {
  if (pooling.method != Pooling::Method::kMax || !are_floats(source, target)) return std::nullopt;
  const Window& w = pooling.window;
  const Sizes from = sizes(source), to = sizes(target);
  const MaxPooling kernel{from.height,
                          from.width,
                          from.channels,
                          to.height,
                          to.width,
                          size_of(w.kernel_h),
                          size_of(w.kernel_w),
                          size_of(w.stride_h),
                          size_of(w.stride_w),
                          size_of(w.top),
                          size_of(w.left)};
  if (!kernel.fits()) return std::nullopt;
  return Way{[kernel, pictures = from.count](const dnnl::stream&, const StepArguments& arguments) {
               kernel.run(pictures, values(arguments, DNNL_ARG_SRC),
                          values(arguments, DNNL_ARG_DST), values(arguments, DNNL_ARG_SCRATCHPAD));
             },
             source,
             target,
             scratch_of(kernel.scratch_floats()),
             {},
             "own"};
}

}  // namespace imgrec::worker
