#include "models/caffe/layer_parser.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace imgrec::models {
namespace {

using caffe_format::BlobProto;
using caffe_format::LayerParameter;

// Far above any real layer, far below where products of two or three of them overflow.
constexpr std::int64_t kMaxDimension = 1 << 16;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 30;

Status bad(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }
Status unsupported(std::string message) { return {StatusCode::kUnsupported, std::move(message)}; }

std::int64_t elements(const Shape& shape) {
  std::int64_t product = 1;
  for (const std::int64_t dim : shape) {
    if (dim > kMaxElements / product) return kMaxElements + 1;
    product *= dim;
  }
  return product;
}

Status check_window(const Window& window) {
  const bool positive =
      window.kernel_h > 0 && window.kernel_w > 0 && window.stride_h > 0 && window.stride_w > 0;
  if (!positive) return bad("has a kernel or a stride of 0");
  for (const std::int64_t value : {window.kernel_h, window.kernel_w, window.stride_h,
                                   window.stride_w, window.pad_h, window.pad_w}) {
    if (value > kMaxDimension) return bad("has a kernel, stride or pad over 65536");
  }
  return {};
}

// Reads "one value for both axes, or two, or the _h and _w fields" into h and w.
template <class Repeated>
Status read_pair(const char* name, const Repeated& values, bool has_h, std::int64_t h_value,
                 bool has_w, std::int64_t w_value, std::int64_t& h, std::int64_t& w) {
  if (has_h || has_w) {
    if (!values.empty() || !has_h || !has_w) {
      return bad(std::string("gives ") + name + " in a half or twice: use " + name + " or both " +
                 name + "_h and " + name + "_w");
    }
    h = h_value;
    w = w_value;
    return {};
  }
  if (values.size() > 2) return unsupported(std::string("has more than two values of ") + name);
  if (values.size() > 0) {
    h = values.Get(0);
    w = values.Get(values.size() - 1);
  }
  return {};
}

Result<LayerKind> parse_convolution(const LayerParameter& layer, const Shape& bottom) {
  const caffe_format::ConvolutionParameter& param = layer.convolution_param();
  if (bottom.size() != 3) return bad("reads " + to_string(bottom) + ", which is no picture");
  if (param.axis() != 1) return unsupported("has an axis other than 1");
  Convolution kind;
  Window& window = kind.window;
  window.kernel_h = window.kernel_w = 0;
  for (Status status :
       {read_pair("kernel", param.kernel_size(), param.has_kernel_h(), param.kernel_h(),
                  param.has_kernel_w(), param.kernel_w(), window.kernel_h, window.kernel_w),
        read_pair("stride", param.stride(), param.has_stride_h(), param.stride_h(),
                  param.has_stride_w(), param.stride_w(), window.stride_h, window.stride_w),
        read_pair("pad", param.pad(), param.has_pad_h(), param.pad_h(), param.has_pad_w(),
                  param.pad_w(), window.pad_h, window.pad_w),
        read_pair("dilation", param.dilation(), false, 1, false, 1, kind.dilation_h,
                  kind.dilation_w)}) {
    if (!status.ok()) return status;
  }
  if (Status status = check_window(window); !status.ok()) return status;
  if (kind.dilation_h < 1 || kind.dilation_w < 1 || kind.dilation_h > kMaxDimension ||
      kind.dilation_w > kMaxDimension) {
    return bad("has a dilation outside 1 to 65536");
  }
  kind.outputs = param.num_output();
  kind.group = param.group();
  kind.has_bias = param.bias_term();
  if (kind.outputs < 1 || kind.outputs > kMaxDimension) {
    return bad("has num_output " + std::to_string(kind.outputs) + ", not 1 to 65536");
  }
  if (kind.group < 1 || bottom[0] % kind.group != 0 || kind.outputs % kind.group != 0) {
    return bad("has " + std::to_string(kind.group) + " groups, which do not divide its " +
               std::to_string(bottom[0]) + " inputs and " + std::to_string(kind.outputs) +
               " outputs");
  }
  return LayerKind(std::move(kind));
}

Result<LayerKind> parse_pooling(const LayerParameter& layer, const Shape& bottom) {
  const caffe_format::PoolingParameter& param = layer.pooling_param();
  if (bottom.size() != 3) return bad("reads " + to_string(bottom) + ", which is no picture");
  Pooling kind;
  switch (param.pool()) {
    case caffe_format::PoolingParameter::MAX:
      kind.method = Pooling::Method::kMax;
      break;
    case caffe_format::PoolingParameter::AVE:
      kind.method = Pooling::Method::kAverage;
      break;
    default:
      return unsupported("uses stochastic pooling; MAX and AVE are supported");
  }
  kind.round_up = param.round_mode() == caffe_format::PoolingParameter::CEIL;
  kind.global = param.global_pooling();
  Window& window = kind.window;
  if (kind.global) {
    window.kernel_h = bottom[1];
    window.kernel_w = bottom[2];
    return LayerKind(kind);
  }
  const auto either = [](bool has, std::uint32_t own, std::uint32_t both) {
    return std::int64_t{has ? own : both};
  };
  window.kernel_h = either(param.has_kernel_h(), param.kernel_h(), param.kernel_size());
  window.kernel_w = either(param.has_kernel_w(), param.kernel_w(), param.kernel_size());
  window.stride_h = either(param.has_stride_h(), param.stride_h(), param.stride());
  window.stride_w = either(param.has_stride_w(), param.stride_w(), param.stride());
  window.pad_h = either(param.has_pad_h(), param.pad_h(), param.pad());
  window.pad_w = either(param.has_pad_w(), param.pad_w(), param.pad());
  if (Status status = check_window(window); !status.ok()) return status;
  // Torch allows half a window of padding; with more, Caffe would have windows of padding alone.
  if (2 * window.pad_h > window.kernel_h || 2 * window.pad_w > window.kernel_w) {
    return unsupported("pads by more than half its window");
  }
  return LayerKind(kind);
}

Result<LayerKind> parse_lrn(const LayerParameter& layer) {
  const caffe_format::LRNParameter& param = layer.lrn_param();
  if (param.norm_region() != caffe_format::LRNParameter::ACROSS_CHANNELS) {
    return unsupported("normalises within channels; ACROSS_CHANNELS is supported");
  }
  const Lrn kind{param.local_size(), param.alpha(), param.beta(), param.k()};
  if (kind.size % 2 == 0 || kind.size > kMaxDimension) {
    return bad("has local_size " + std::to_string(kind.size) + "; it must be odd");
  }
  if (!std::isfinite(kind.alpha) || !std::isfinite(kind.beta) || !(kind.k > 0) || kind.alpha < 0) {
    return bad("needs a finite alpha of 0 or more, a finite beta and a k over 0");
  }
  return LayerKind(kind);
}

Result<LayerKind> parse_concat(const LayerParameter& layer) {
  const caffe_format::ConcatParameter& param = layer.concat_param();
  const std::int64_t axis = param.has_concat_dim() ? param.concat_dim() : param.axis();
  if (axis != 1)
    return unsupported("joins along axis " + std::to_string(axis) + "; 1 is supported");
  return LayerKind(Concat{});
}

Result<LayerKind> parse_inner_product(const LayerParameter& layer) {
  const caffe_format::InnerProductParameter& param = layer.inner_product_param();
  if (param.axis() != 1) return unsupported("has an axis other than 1");
  if (param.transpose()) return unsupported("has transposed weights");
  InnerProduct kind;
  kind.outputs = param.num_output();
  kind.has_bias = param.bias_term();
  if (kind.outputs < 1 || kind.outputs > kMaxDimension) {
    return bad("has num_output " + std::to_string(kind.outputs) + ", not 1 to 65536");
  }
  return LayerKind(std::move(kind));
}

// How many windows fit along one side. Caffe's rule (PoolingLayer::Reshape): rounded up, the last
// window must still start inside the picture or its leading padding, else it is dropped. Torch's
// ceil_mode=True drops it by the same comparison; Caffe compares only where there is padding, so
// without padding a window that starts outside is an error here, not a difference.
Result<std::int64_t> windows(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                             std::int64_t pad, bool round_up, bool may_drop) {
  const std::int64_t room = size + 2 * pad - kernel + (round_up ? stride - 1 : 0);
  if (room < 0) {
    return bad("has a window of " + std::to_string(kernel) + " on a side of " +
               std::to_string(size + 2 * pad) + " with padding");
  }
  std::int64_t count = room / stride + 1;
  if (round_up && (count - 1) * stride >= size + pad) {
    if (!may_drop) return unsupported("has a window outside the picture (stride over kernel)");
    --count;
  }
  return count;
}

Result<Shape> window_shape(std::int64_t channels, const Shape& bottom, const Window& window,
                           std::int64_t kernel_h, std::int64_t kernel_w, bool round_up) {
  const bool padded = window.pad_h > 0 || window.pad_w > 0;
  const auto h = windows(bottom[1], kernel_h, window.stride_h, window.pad_h, round_up, padded);
  if (!h) return h.status();
  const auto w = windows(bottom[2], kernel_w, window.stride_w, window.pad_w, round_up, padded);
  if (!w) return w.status();
  return Shape{channels, *h, *w};
}

Result<Shape> concat_shape(const std::vector<Shape>& bottoms) {
  Shape shape = bottoms.front();
  for (std::size_t i = 1; i < bottoms.size(); ++i) {
    const Shape& other = bottoms[i];
    if (other.size() != shape.size() ||
        !std::equal(shape.begin() + 1, shape.end(), other.begin() + 1)) {
      return bad("joins " + to_string(bottoms.front()) + " and " + to_string(other) +
                 ", which differ in more than channels");
    }
    shape[0] += other[0];
  }
  return shape;
}

// Copies one blob into `values`. The old four-dimension form has leading ones for what it lacks.
Status read_blob(const BlobProto& blob, const char* what, const Shape& expected,
                 std::vector<float>& values) {
  Shape shape;
  if (blob.has_shape()) {
    shape.assign(blob.shape().dim().begin(), blob.shape().dim().end());
  } else {
    shape = {blob.num(), blob.channels(), blob.height(), blob.width()};
  }
  Shape padded = expected;
  if (padded.size() < shape.size()) padded.insert(padded.begin(), shape.size() - padded.size(), 1);
  if (shape != padded) {
    return {StatusCode::kDataLoss, std::string("its ") + what + " are " + to_string(shape) +
                                       ", where the definition needs " + to_string(expected)};
  }
  if (blob.data_size() > 0) {
    values.assign(blob.data().begin(), blob.data().end());
  } else {
    values.assign(blob.double_data().begin(), blob.double_data().end());
  }
  if (static_cast<std::int64_t>(values.size()) != elements(expected)) {
    return {StatusCode::kDataLoss, std::string("its ") + what + " hold " +
                                       std::to_string(values.size()) + " values, not the " +
                                       std::to_string(elements(expected)) + " of their shape"};
  }
  if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
    return {StatusCode::kDataLoss, std::string("its ") + what + " hold values that are no numbers"};
  }
  return {};
}

}  // namespace

Result<LayerKind> parse_layer(const LayerParameter& layer, const std::vector<Shape>& bottoms) {
  const std::string& type = layer.type();
  if (type == "Input") {
    if (!bottoms.empty()) return bad("is an input and reads another blob");
    return LayerKind(Input{});
  }
  const bool single = type == "Convolution" || type == "ReLU" || type == "Pooling" ||
                      type == "LRN" || type == "Dropout" || type == "InnerProduct" ||
                      type == "Softmax";
  if (!single && type != "Concat") {
    return unsupported(
        "is of a type that is not supported; supported are Input, Convolution, ReLU, Pooling, LRN, "
        "Concat, Dropout, InnerProduct and Softmax");
  }
  if (bottoms.empty() || (single && bottoms.size() != 1)) {
    return bad("reads " + std::to_string(bottoms.size()) + " blobs, not one");
  }
  if (type == "Convolution") return parse_convolution(layer, bottoms[0]);
  if (type == "Pooling") return parse_pooling(layer, bottoms[0]);
  if (type == "LRN") {
    if (bottoms[0].size() != 3) return bad("reads " + to_string(bottoms[0]) + ", no picture");
    return parse_lrn(layer);
  }
  if (type == "Concat") return parse_concat(layer);
  if (type == "InnerProduct") return parse_inner_product(layer);
  if (type == "Dropout") return LayerKind(Dropout{});
  if (type == "ReLU") return LayerKind(Relu{layer.relu_param().negative_slope()});
  if (layer.softmax_param().axis() != 1) return unsupported("has an axis other than 1");
  return LayerKind(Softmax{});
}

Result<Shape> input_shape(const LayerParameter& layer) {
  if (layer.input_param().shape_size() != 1 || layer.input_param().shape(0).dim_size() != 4) {
    return bad("needs one shape of four dimensions: batch, channels, height, width");
  }
  const auto& dims = layer.input_param().shape(0).dim();
  const Shape shape(dims.begin() + 1, dims.end());
  for (const std::int64_t dim : shape) {
    if (dim < 1 || dim > kMaxDimension) {
      return bad("has the shape " + to_string(shape) + "; each side must be 1 to 65536");
    }
  }
  if (elements(shape) > kMaxElements) return bad("is too large: " + to_string(shape));
  return shape;
}

Result<Shape> output_shape(const LayerKind& kind, const std::vector<Shape>& bottoms) {
  Result<Shape> shape = bottoms.front();  // ReLU, LRN, Dropout, Softmax
  if (const auto* convolution = std::get_if<Convolution>(&kind)) {
    const Window& window = convolution->window;
    shape = window_shape(convolution->outputs, bottoms[0], window,
                         (window.kernel_h - 1) * convolution->dilation_h + 1,
                         (window.kernel_w - 1) * convolution->dilation_w + 1, false);
  } else if (const auto* pooling = std::get_if<Pooling>(&kind)) {
    shape = window_shape(bottoms[0][0], bottoms[0], pooling->window, pooling->window.kernel_h,
                         pooling->window.kernel_w, pooling->round_up);
  } else if (std::holds_alternative<Concat>(kind)) {
    shape = concat_shape(bottoms);
  } else if (const auto* inner = std::get_if<InnerProduct>(&kind)) {
    shape = Shape{inner->outputs};
  }
  if (shape && elements(*shape) > kMaxElements) return bad("is too large: " + to_string(*shape));
  return shape;
}

bool needs_weights(const LayerKind& kind) {
  return std::holds_alternative<Convolution>(kind) || std::holds_alternative<InnerProduct>(kind);
}

Status read_weights(const LayerParameter& source, Layer& layer) {
  Shape shape;
  std::vector<float>* weights = nullptr;
  std::vector<float>* bias = nullptr;
  bool has_bias = false;
  if (auto* convolution = std::get_if<Convolution>(&layer.kind)) {
    shape = {convolution->outputs, layer.bottom_shapes[0][0] / convolution->group,
             convolution->window.kernel_h, convolution->window.kernel_w};
    weights = &convolution->weights;
    bias = &convolution->bias;
    has_bias = convolution->has_bias;
  } else {
    auto& inner = std::get<InnerProduct>(layer.kind);
    shape = {inner.outputs, elements(layer.bottom_shapes[0])};
    weights = &inner.weights;
    bias = &inner.bias;
    has_bias = inner.has_bias;
  }
  const int wanted = has_bias ? 2 : 1;
  if (source.blobs_size() != wanted) {
    return {StatusCode::kDataLoss, "it has " + std::to_string(source.blobs_size()) +
                                       " blobs of weights, where the definition needs " +
                                       std::to_string(wanted)};
  }
  if (Status status = read_blob(source.blobs(0), "weights", shape, *weights); !status.ok()) {
    return status;
  }
  return has_bias ? read_blob(source.blobs(1), "biases", {shape[0]}, *bias) : Status();
}

}  // namespace imgrec::models
