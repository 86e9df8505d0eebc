#include "worker/inference/onednn_convolution.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace imgrec::worker {
namespace {

using dnnl::memory;
using dnnl::primitive_attr;
using Primitive = dnnl::convolution_forward::primitive_desc;
using Tag = memory::format_tag;
using Type = memory::data_type;

constexpr float kWeightSteps = 127;
constexpr float kLeastWeight = 1e-12F;

// Weights as whole numbers, and for each output channel what one step is worth.
struct ByteWeights {
  std::vector<std::int8_t> values;
  std::vector<float> scales;
};

ByteWeights to_bytes(const std::vector<float>& weights, std::size_t outputs) {
  ByteWeights bytes{std::vector<std::int8_t>(weights.size()), std::vector<float>(outputs)};
  const std::size_t each = weights.size() / outputs;
  for (std::size_t output = 0; output < outputs; ++output) {
    const float* row = weights.data() + output * each;
    float largest = 0;
    for (std::size_t i = 0; i < each; ++i) largest = std::max(largest, std::abs(row[i]));
    // A channel of next to no weights, as training leaves them: as zeros they leave its bias right,
    // which divided by so small a scale would be beyond all numbers.
    const float scale = largest > kLeastWeight ? largest / kWeightSteps : 1;
    bytes.scales[output] = scale;
    for (std::size_t i = 0; i < each; ++i) {
      bytes.values[output * each + i] = static_cast<std::int8_t>(std::lrint(row[i] / scale));
    }
  }
  return bytes;
}

memory copy(const dnnl::engine& engine, const void* values, const memory::desc& from,
            const memory::desc& to) {
  // oneDNN writes to no source.
  memory source(from, engine, const_cast<void*>(values));
  memory own(to, engine);
  dnnl::stream stream(engine);
  dnnl::reorder(source, own).execute(stream, source, own);
  stream.wait();
  return own;
}

class Builder {
 public:
  Builder(const dnnl::engine& engine, const Convolution& convolution, std::int64_t inputs,
          const ConvolutionFormats& formats)
      : engine_(engine), convolution_(convolution), formats_(formats) {
    const Window& w = convolution.window;
    const std::int64_t groups = convolution.groups;
    shape_ = groups == 1 ? memory::dims{convolution.outputs, inputs, w.kernel_h, w.kernel_w}
                         : memory::dims{groups, convolution.outputs / groups, inputs / groups,
                                        w.kernel_h, w.kernel_w};
    plain_ = groups == 1 ? Tag::oihw : Tag::goihw;
    if (formats.bytes) {
      bytes_ = to_bytes(*convolution.weights, static_cast<std::size_t>(convolution.outputs));
    }
  }

  Primitive direct() const {
    return describe(dnnl::algorithm::convolution_direct, formats_.source, formats_.target);
  }

  // Nothing where it cannot be had.
  std::optional<Primitive> winograd() const {
    const Window& w = convolution_.window;
    const bool fits = w.kernel_h == 3 && w.kernel_w == 3 && w.stride_h == 1 && w.stride_w == 1 &&
                      w.dilation_h == 1 && w.dilation_w == 1 && convolution_.groups == 1 &&
                      formats_.source.data_type() == Type::f32 &&
                      formats_.target.data_type() == Type::f32;
    if (!fits) return std::nullopt;
    const auto any_layout = [](const memory::desc& desc) {
      return memory::desc(desc.dims(), desc.data_type(), Tag::any);
    };
    try {
      return describe(dnnl::algorithm::convolution_winograd, any_layout(formats_.source),
                      any_layout(formats_.target));
    } catch (const dnnl::error&) {
      return std::nullopt;
    }
  }

  Way finish(const Primitive& primitive) const {
    std::vector<float> bias = *convolution_.bias;
    for (std::size_t i = 0; i < bias.size() && formats_.bytes; ++i) {
      bias[i] /= formats_.source_scale * bytes_.scales[i];
    }
    const memory::desc bias_desc({convolution_.outputs}, Type::f32, Tag::x);
    const void* weights = formats_.bytes ? static_cast<const void*>(bytes_.values.data())
                                         : static_cast<const void*>(convolution_.weights->data());
    const memory::desc plain(shape_, formats_.bytes ? Type::s8 : Type::f32, plain_);
    Way way = way_of<dnnl::convolution_forward>(primitive);
    way.constants = {{DNNL_ARG_WEIGHTS, copy(engine_, weights, plain, primitive.weights_desc())},
                     {DNNL_ARG_BIAS, copy(engine_, bias.data(), bias_desc, bias_desc)}};
    return way;
  }

 private:
  Primitive describe(dnnl::algorithm how, const memory::desc& source,
                     const memory::desc& target) const {
    const Window& w = convolution_.window;
    const Type weight_type = formats_.bytes ? Type::s8 : formats_.source.data_type();
    primitive_attr attributes = plan_attributes(convolution_.activation, formats_.target_scale);
    if (formats_.bytes) {
      std::vector<float> factors = bytes_.scales;
      for (float& factor : factors) factor *= formats_.source_scale / formats_.target_scale;
      constexpr int kByChannel = 1 << 1;
      attributes.set_output_scales(kByChannel, factors);
    }
    const dnnl::convolution_forward::desc what(
        dnnl::prop_kind::forward_inference, how, source, {shape_, weight_type, Tag::any},
        {{convolution_.outputs}, Type::f32, Tag::x}, target, {w.stride_h, w.stride_w},
        {w.dilation_h - 1, w.dilation_w - 1}, {w.top, w.left}, {w.bottom, w.right});
    return {what, attributes, engine_};
  }

  const dnnl::engine& engine_;
  const Convolution& convolution_;
  const ConvolutionFormats& formats_;
  memory::dims shape_;
  Tag plain_ = Tag::oihw;
  ByteWeights bytes_;
};

}  // namespace

Elementwise elementwise_of(Activation activation, float scale) {
  switch (activation) {
    case Activation::kRelu6:
      return {dnnl::algorithm::eltwise_clip, 0, 6 / scale};
    case Activation::kSilu:
      return {dnnl::algorithm::eltwise_swish, scale, 0};
    case Activation::kNone:
    case Activation::kRelu:
      break;
  }
  return {dnnl::algorithm::eltwise_relu, 0, 0};
}

primitive_attr plan_attributes(Activation activation, float target_scale) {
  primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops after;
  if (activation != Activation::kNone) {
    const Elementwise own = elementwise_of(activation, target_scale);
    after.append_eltwise(1, own.how, own.alpha, own.beta);
    attributes.set_post_ops(after);
  }
  return attributes;
}

std::vector<Way> convolution_ways(const dnnl::engine& engine, const Convolution& convolution,
                                  std::int64_t inputs, const ConvolutionFormats& formats) {
  const Builder builder(engine, convolution, inputs, formats);
  std::vector<Way> ways{builder.finish(builder.direct())};
  if (const auto winograd = builder.winograd()) ways.push_back(builder.finish(*winograd));
  return ways;
}

}  // namespace imgrec::worker
