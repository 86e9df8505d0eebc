#include "worker/inference/torch_graph.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <torch/script.h>

namespace imgrec::worker {
namespace {

using torch::jit::Value;
using Operation = torch::jit::Node;

// What this file throws to itself: the module has something that a Graph has not.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Weights weights_of(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.detach().to(at::kFloat).contiguous();
  const float* values = plain.data_ptr<float>();
  return std::make_shared<const std::vector<float>>(values, values + plain.numel());
}

Weights zeros(std::int64_t count) {
  return std::make_shared<const std::vector<float>>(static_cast<std::size_t>(count), 0.0F);
}

class Reader {
 public:
  Reader(NetworkShape shape) {
    graph_.tensors.push_back({"input", {3, shape.height, shape.width}});
  }

  Graph read(const torch::jit::Module& module) {
    const auto method = module.get_method("forward");
    const std::shared_ptr<torch::jit::Graph> torch_graph = method.graph();
    if (torch_graph->inputs().size() != 2 || torch_graph->outputs().size() != 1) {
      throw Unsupported("forward() takes other arguments than one batch, or gives more than one");
    }
    tensors_[torch_graph->inputs()[1]] = 0;
    for (const Operation* operation : torch_graph->nodes()) read(*operation);
    graph_.output = tensor(torch_graph->outputs()[0]);
    return std::move(graph_);
  }

 private:
  void read(const Operation& op) {
    const std::string kind = op.kind().toQualString();
    if (kind == "prim::Constant") return;
    if (kind == "prim::ListConstruct") return read_list(op);
    if (kind == "aten::conv2d") return read_convolution(op, 3, 4, 5, std::nullopt, 6);
    if (kind == "aten::_convolution") {
      if (flag(op.input(6))) throw Unsupported("a transposed convolution");
      return read_convolution(op, 3, 4, 5, 7, 8);
    }
    if (kind == "aten::linear") return read_linear(op);
    if (kind == "aten::addmm") return read_addmm(op);
    if (kind == "aten::relu" || kind == "aten::relu_") {
      return read_activation(op, Activation::kRelu);
    }
    if (kind == "aten::hardtanh" || kind == "aten::hardtanh_") {
      if (number(op.input(1)) != 0 || number(op.input(2)) != 6) throw Unsupported("a hardtanh");
      return read_activation(op, Activation::kRelu6);
    }
    if (kind == "aten::relu6" || kind == "aten::relu6_") {
      return read_activation(op, Activation::kRelu6);
    }
    if (kind == "aten::silu" || kind == "aten::silu_") {
      return read_activation(op, Activation::kSilu);
    }
    if (kind == "aten::max_pool2d") return read_max_pooling(op);
    if (kind == "aten::avg_pool2d") return read_average_pooling(op);
    if (kind == "aten::adaptive_avg_pool2d") {
      if (numbers(op.input(1)) != std::vector<std::int64_t>{1, 1}) {
        throw Unsupported("an adaptive pooling to more than one value");
      }
      return read_global(op, Pooling::Method::kAverage);
    }
    if (kind == "aten::mean") return read_over_all_places(op, Pooling::Method::kAverage);
    if (kind == "aten::amax") return read_over_all_places(op, Pooling::Method::kMax);
    if (kind == "aten::cat") return read_concatenation(op);
    if (kind == "aten::add" || kind == "aten::add_") return read_addition(op);
    if (kind == "aten::mul") return read_multiplication(op);
    if (kind == "aten::sqrt") return add(op, Power{0.5F}, {tensor(op.input(0))});
    if (kind == "aten::reciprocal") return add(op, Power{-1}, {tensor(op.input(0))});
    if (kind == "aten::pow") {
      return add(op, Power{static_cast<float>(number(op.input(1)))}, {tensor(op.input(0))});
    }
    if (kind == "aten::softmax") return read_softmax(op);
    if (kind == "aten::flatten") return read_flatten(op);
    if (kind == "aten::dropout" || kind == "aten::dropout_" || kind == "aten::feature_dropout") {
      if (flag(op.input(2))) throw Unsupported("a dropout that is at work");
      tensors_[op.output()] = tensor(op.input(0));
      return;
    }
    throw Unsupported("the operation " + kind);
  }

  // ---- values -----------------------------------------------------------------------------------

  TensorId tensor(const Value* value) const {
    const auto found = tensors_.find(value);
    if (found == tensors_.end()) {
      throw Unsupported("a computed value as input of a layer: " + value->debugName());
    }
    return found->second;
  }

  static torch::jit::IValue constant(const Value* value) {
    const auto held = torch::jit::toIValue(value);
    if (!held) throw Unsupported("a computed setting of a layer: " + value->debugName());
    return *held;
  }

  static bool flag(const Value* value) {
    const torch::jit::IValue held = constant(value);
    return held.isBool() ? held.toBool() : held.toInt() != 0;
  }
  static std::int64_t whole(const Value* value) { return constant(value).toInt(); }
  static double number(const Value* value) { return constant(value).toScalar().toDouble(); }

  static std::vector<std::int64_t> numbers(const Value* value) {
    if (const auto held = torch::jit::toIValue(value)) return held->toIntVector();
    const Operation* op = value->node();
    if (op->kind() != torch::jit::prim::ListConstruct) {
      throw Unsupported("a computed size: " + value->debugName());
    }
    std::vector<std::int64_t> list;
    for (const Value* input : op->inputs()) list.push_back(whole(input));
    return list;
  }

  // One number for both directions, or two.
  static std::array<std::int64_t, 2> pair(const Value* value) {
    const std::vector<std::int64_t> list = numbers(value);
    if (list.size() == 1) return {list[0], list[0]};
    if (list.size() != 2)
      throw Unsupported("a window of " + std::to_string(list.size()) + " sizes");
    return {list[0], list[1]};
  }

  void add(const Operation& op, NodeKind kind, std::vector<TensorId> inputs) {
    add_for(op.output(), std::move(kind), std::move(inputs));
  }

  void add_for(const Value* value, NodeKind kind, std::vector<TensorId> inputs) {
    Result<TensorId> output =
        add_node(graph_, std::move(kind), std::move(inputs), value->debugName());
    if (!output) throw Unsupported(output.status().message());
    tensors_[value] = *output;
  }

  // ---- operations -------------------------------------------------------------------------------

  // Lists of tensors are read by their users; lists of numbers too.
  void read_list(const Operation&) const {}

  void read_convolution(const Operation& op, std::size_t stride, std::size_t padding,
                        std::size_t dilation, std::optional<std::size_t> output_padding,
                        std::size_t groups) {
    const at::Tensor weight = constant(op.input(1)).toTensor();
    if (weight.dim() != 4) throw Unsupported("a convolution that is not over pictures");
    if (output_padding) {
      for (const std::int64_t extra : numbers(op.input(*output_padding))) {
        if (extra != 0) throw Unsupported("a convolution with output padding");
      }
    }
    Convolution node;
    node.outputs = weight.size(0);
    node.groups = whole(op.input(groups));
    node.window = window({weight.size(2), weight.size(3)}, pair(op.input(stride)),
                         pair(op.input(padding)), pair(op.input(dilation)));
    node.weights = weights_of(weight);
    node.bias = bias(op.input(2), node.outputs);
    add(op, std::move(node), {tensor(op.input(0))});
  }

  static Weights bias(const Value* value, std::int64_t outputs) {
    const torch::jit::IValue held = constant(value);
    return held.isNone() ? zeros(outputs) : weights_of(held.toTensor());
  }

  static Window window(std::array<std::int64_t, 2> kernel, std::array<std::int64_t, 2> stride,
                       std::array<std::int64_t, 2> padding, std::array<std::int64_t, 2> dilation) {
    Window w;
    std::tie(w.kernel_h, w.kernel_w) = std::pair(kernel[0], kernel[1]);
    std::tie(w.stride_h, w.stride_w) = std::pair(stride[0], stride[1]);
    std::tie(w.top, w.left) = std::pair(padding[0], padding[1]);
    std::tie(w.bottom, w.right) = std::pair(padding[0], padding[1]);
    std::tie(w.dilation_h, w.dilation_w) = std::pair(dilation[0], dilation[1]);
    return w;
  }

  void read_linear(const Operation& op) {
    const at::Tensor weight = constant(op.input(1)).toTensor();
    Dense node;
    node.outputs = weight.size(0);
    node.weights = weights_of(weight);
    node.bias = bias(op.input(2), node.outputs);
    add(op, std::move(node), {tensor(op.input(0))});
  }

  // bias + x * weights, where linear has its weights the other way round.
  void read_addmm(const Operation& op) {
    if (number(op.input(3)) != 1 || number(op.input(4)) != 1) throw Unsupported("a scaled addmm");
    const at::Tensor weight = constant(op.input(2)).toTensor().t();
    const at::Tensor added = constant(op.input(0)).toTensor();
    if (added.dim() != 1) throw Unsupported("an addmm with another bias for each picture");
    Dense node;
    node.outputs = weight.size(0);
    node.weights = weights_of(weight);
    node.bias = weights_of(added);
    add(op, std::move(node), {tensor(op.input(1))});
  }

  // An operation in place changes its input for those who read it later.
  void read_activation(const Operation& op, Activation activation) {
    add(op, Activate{activation}, {tensor(op.input(0))});
    const std::string name = op.kind().toUnqualString();
    if (name.ends_with('_')) tensors_[op.input(0)] = tensor(op.output());
  }

  // Torch's windows with ceil_mode: one more where the last begins inside the picture or its
  // leading padding. Here that is padding at the end.
  void round_up(Window& w, const Shape& in) const {
    const auto extra = [](std::int64_t size, std::int64_t kernel, std::int64_t stride,
                          std::int64_t padding) {
      const std::int64_t room = size + 2 * padding - kernel;
      std::int64_t last = (room + stride - 1) / stride;
      if (last * stride >= size + padding) --last;
      return std::max<std::int64_t>(0, last * stride - room);
    };
    w.bottom += extra(in.height, w.kernel_h, w.stride_h, w.top);
    w.right += extra(in.width, w.kernel_w, w.stride_w, w.left);
  }

  Window pooling_window(const Operation& op, bool ceil) const {
    const std::array<std::int64_t, 2> kernel = pair(op.input(1));
    // Without a stride, the windows lie side by side.
    const std::array<std::int64_t, 2> stride =
        numbers(op.input(2)).empty() ? kernel : pair(op.input(2));
    Window w = window(kernel, stride, pair(op.input(3)), {1, 1});
    if (ceil) round_up(w, graph_.shape(tensor(op.input(0))));
    return w;
  }

  void read_max_pooling(const Operation& op) {
    if (pair(op.input(4)) != std::array<std::int64_t, 2>{1, 1}) {
      throw Unsupported("a pooling with dilation");
    }
    add(op, Pooling{Pooling::Method::kMax, pooling_window(op, flag(op.input(5)))},
        {tensor(op.input(0))});
  }

  void read_average_pooling(const Operation& op) {
    if (!constant(op.input(6)).isNone()) throw Unsupported("a pooling with a divisor of its own");
    const Window w = pooling_window(op, flag(op.input(4)));
    const bool padded = w.top + w.left > 0;
    const bool hangs_over = w.bottom != w.top || w.right != w.left;
    const bool counts_padding = flag(op.input(5));
    // Torch counts the padding, but not what hangs over it; oneDNN counts both or neither.
    if (padded && hangs_over && counts_padding) throw Unsupported("a pooling that hangs over");
    const auto method =
        counts_padding && padded ? Pooling::Method::kAverageWithPadding : Pooling::Method::kAverage;
    add(op, Pooling{method, w}, {tensor(op.input(0))});
  }

  void read_global(const Operation& op, Pooling::Method method) {
    const TensorId input = tensor(op.input(0));
    const Shape in = graph_.shape(input);
    add(op, Pooling{method, window({in.height, in.width}, {1, 1}, {0, 0}, {1, 1})}, {input});
  }

  void read_over_all_places(const Operation& op, Pooling::Method method) {
    if (op.inputs().size() < 3) throw Unsupported("a mean over everything");
    std::vector<std::int64_t> over = numbers(op.input(1));
    for (std::int64_t& dimension : over) dimension += dimension < 0 ? 4 : 0;
    std::sort(over.begin(), over.end());
    if (over != std::vector<std::int64_t>{2, 3}) {
      throw Unsupported("a mean or greatest value of other than all places");
    }
    read_global(op, method);
  }

  void read_concatenation(const Operation& op) {
    const Operation* list = op.input(0)->node();
    if (list->kind() != torch::jit::prim::ListConstruct || whole(op.input(1)) != 1) {
      throw Unsupported("a concatenation of other than channels");
    }
    std::vector<TensorId> inputs;
    for (const Value* value : list->inputs()) inputs.push_back(tensor(value));
    add(op, Concatenate{}, std::move(inputs));
  }

  void read_addition(const Operation& op) {
    if (op.inputs().size() == 3 && number(op.input(2)) != 1) throw Unsupported("a scaled addition");
    add(op, Add{}, {tensor(op.input(0)), tensor(op.input(1))});
    const std::string name = op.kind().toUnqualString();
    if (name.ends_with('_')) tensors_[op.input(0)] = tensor(op.output());
  }

  void read_multiplication(const Operation& op) {
    add(op, Multiply{}, {tensor(op.input(0)), tensor(op.input(1))});
  }

  void read_softmax(const Operation& op) {
    const std::int64_t dimension = whole(op.input(1));
    const Shape in = graph_.shape(tensor(op.input(0)));
    const bool features = in.height == 1 && in.width == 1;
    if (dimension != 1 && !(dimension == -1 && features)) {
      throw Unsupported("a softmax over other than channels");
    }
    add(op, Softmax{}, {tensor(op.input(0))});
  }

  // Dense layers read a picture as the list that it becomes; others read lists only.
  void read_flatten(const Operation& op) {
    if (whole(op.input(1)) != 1 || whole(op.input(2)) != -1) throw Unsupported("a flatten");
    const TensorId input = tensor(op.input(0));
    const Shape in = graph_.shape(input);
    const bool for_dense_layers =
        std::all_of(op.output()->uses().begin(), op.output()->uses().end(), [](const auto& use) {
          const std::string user = use.user->kind().toQualString();
          return user == "aten::linear" || user == "aten::addmm";
        });
    if (in.height * in.width != 1 && !for_dense_layers) {
      throw Unsupported("a flatten before other than a dense layer");
    }
    tensors_[op.output()] = input;
  }

  Graph graph_;
  std::unordered_map<const Value*, TensorId> tensors_;
};

}  // namespace

Result<Graph> read_torch_graph(const std::filesystem::path& module_file, NetworkShape shape) {
  try {
    torch::jit::Module module = torch::jit::load(module_file.string(), at::kCPU);
    module.eval();
    return Reader(shape).read(torch::jit::freeze(module));
  } catch (const Unsupported& error) {
    return Status(StatusCode::kUnsupported, error.what());
  } catch (const c10::Error& error) {
    return Status(StatusCode::kUnsupported, error.what_without_backtrace());
  } catch (const std::exception& error) {
    return Status(StatusCode::kUnsupported, error.what());
  }
}

}  // namespace imgrec::worker
