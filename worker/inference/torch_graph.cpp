#include "worker/inference/torch_graph.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <torch/script.h>

#include "worker/inference/torch_module.h"

namespace imgrec::worker {
namespace {

using torch::jit::IValue;
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
    read_kind(op);
    note_rank(op);
  }

  void read_kind(const Operation& op) {
    const std::string kind = op.kind().toQualString();
    if (kind == "prim::Constant") return;
    if (kind == "prim::ListConstruct") return read_list(op);
    if (kind == "prim::If") return read_choice(op);
    if (kind == "prim::RaiseException") throw Unsupported("it raises an error");
    if (kind == "aten::size") return read_size(op);
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
    if (kind == "aten::adaptive_avg_pool2d") return read_adaptive_pooling(op);
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
    if (kind == "aten::flatten" || kind == "aten::view" || kind == "aten::reshape") {
      return read_flatten(op);
    }
    if (kind == "aten::dropout" || kind == "aten::dropout_" || kind == "aten::feature_dropout") {
      if (flag(op.input(2))) throw Unsupported("a dropout that is at work");
      tensors_[op.output()] = tensor(op.input(0));
      return;
    }
    if (!computed(op)) throw Unsupported("the operation " + kind);
  }

  // Which values are batches of lists, not of pictures.
  void note_rank(const Operation& op) {
    const std::string kind = op.kind().toQualString();
    const bool pooled = kind == "aten::mean" || kind == "aten::amax";
    bool flat = kind == "aten::linear" || kind == "aten::addmm" || kind == "aten::flatten" ||
                kind == "aten::view" || kind == "aten::reshape" || (pooled && !flag(op.input(2)));
    for (const Value* input : op.inputs()) flat = flat || flat_.contains(input);
    for (const Value* output : op.outputs()) {
      if (flat && kind != "prim::If") flat_.insert(output);
    }
  }

  // ---- values -----------------------------------------------------------------------------------

  TensorId tensor(const Value* value) const {
    const auto found = tensors_.find(value);
    if (found == tensors_.end()) {
      throw Unsupported("a computed value as input of a layer: " + value->debugName());
    }
    return found->second;
  }

  TensorId layer_input(const Operation& op, std::size_t index) const {
    if (known(op.input(index))) {
      throw Unsupported("an " + std::string(op.kind().toUnqualString()) + " of a constant");
    }
    return tensor(op.input(index));
  }

  std::optional<IValue> known(const Value* value) const {
    const auto found = known_.find(value);
    if (found != known_.end()) return found->second;
    if (const auto held = torch::jit::toIValue(value)) return *held;
    return std::nullopt;
  }

  IValue constant(const Value* value) const {
    const auto held = known(value);
    if (!held) throw Unsupported("a computed setting of a layer: " + value->debugName());
    return *held;
  }

  bool flag(const Value* value) const {
    const IValue held = constant(value);
    return held.isBool() ? held.toBool() : held.toInt() != 0;
  }
  std::int64_t whole(const Value* value) const { return constant(value).toInt(); }
  double number(const Value* value) const { return constant(value).toScalar().toDouble(); }

  std::vector<std::int64_t> numbers(const Value* value) const {
    const IValue held = constant(value);
    if (!held.isIntList()) throw Unsupported("a setting that is no list of whole numbers");
    return held.toIntVector();
  }

  // One number for both directions, or two.
  std::array<std::int64_t, 2> pair(const Value* value) const {
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

  // Lists of tensors are read by their users.
  void read_list(const Operation& op) {
    if (!op.output()->type()->isSubtypeOf(*c10::ListType::ofInts())) return;
    c10::List<std::int64_t> list;
    for (const Value* input : op.inputs()) list.push_back(whole(input));
    known_[op.output()] = list;
  }

  // ---- what scripted modules compute of sizes ---------------------------------------------------

  void read_size(const Operation& op) {
    if (flat_.contains(op.input(0))) throw Unsupported("the size of a list");
    const Shape shape = graph_.shape(tensor(op.input(0)));
    const std::array<std::int64_t, 4> sizes{1, shape.channels, shape.height, shape.width};
    if (op.inputs().size() == 1) {
      known_[op.output()] = c10::List<std::int64_t>(sizes);
      return;
    }
    const std::int64_t dimension = whole(op.input(1));
    if (dimension < -4 || dimension > 3) throw Unsupported("a size of a fifth dimension");
    known_[op.output()] =
        sizes[static_cast<std::size_t>(dimension < 0 ? dimension + 4 : dimension)];
  }

  void read_choice(const Operation& op) {
    const torch::jit::Block* taken = op.blocks().at(flag(op.input(0)) ? 0 : 1);
    for (const Operation* operation : taken->nodes()) read(*operation);
    for (std::size_t i = 0; i < op.outputs().size(); ++i) {
      const Value* from = taken->outputs()[i];
      const Value* to = op.output(i);
      if (const auto held = known(from)) {
        known_[to] = *held;
      } else {
        tensors_[to] = tensor(from);
        if (flat_.contains(from)) flat_.insert(to);
      }
    }
  }

  // Sums and comparisons of numbers that are known: what they give.
  bool computed(const Operation& op) {
    const bool of_numbers = op.outputs().size() == 1 && !op.inputs().empty() &&
                            !op.output()->type()->isSubtypeOf(*c10::TensorType::get());
    if (!of_numbers || op.maybeOperator() == nullptr) return false;
    torch::jit::Stack stack;
    for (const Value* input : op.inputs()) {
      const auto held = known(input);
      if (!held || held->isTensor()) return false;
      stack.push_back(*held);
    }
    op.getOperation()(stack);
    known_[op.output()] = stack.back();
    return true;
  }

  // ---- layers -----------------------------------------------------------------------------------

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

  Weights bias(const Value* value, std::int64_t outputs) const {
    const IValue held = constant(value);
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
    if (name.ends_with('_')) replace(op.input(0), op.output());
  }

  // Under whatever name it is read later: flattened, for instance, it is still the same memory.
  void replace(const Value* changed, const Value* by) {
    const TensorId before = tensor(changed);
    const TensorId after = tensor(by);
    for (auto& [value, id] : tensors_) {
      if (id == before) id = after;
    }
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

  // Where the sides can be divided all windows are alike; without a rest they do not overlap.
  void read_adaptive_pooling(const Operation& op) {
    const Shape in = graph_.shape(tensor(op.input(0)));
    const auto [height, width] = pair(op.input(1));
    if (height < 1 || width < 1 || in.height % height != 0 || in.width % width != 0) {
      throw Unsupported("an adaptive pooling to sides that do not divide the picture's");
    }
    const std::array<std::int64_t, 2> each{in.height / height, in.width / width};
    add(op, Pooling{Pooling::Method::kAverage, window(each, each, {0, 0}, {1, 1})},
        {tensor(op.input(0))});
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
    add(op, Add{}, {tensor(op.input(0)), layer_input(op, 1)});
    const std::string name = op.kind().toUnqualString();
    if (name.ends_with('_')) replace(op.input(0), op.output());
  }

  void read_multiplication(const Operation& op) {
    add(op, Multiply{}, {tensor(op.input(0)), layer_input(op, 1)});
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

  static bool is_list(const std::vector<std::int64_t>& sizes, const Shape& in) {
    return sizes.size() == 2 && (sizes[0] == 1 || (sizes[0] == -1 && sizes[1] != -1)) &&
           (sizes[1] == -1 || sizes[1] == in.channels * in.height * in.width);
  }

  // Dense layers read a picture as the list that it becomes; others read lists only.
  void read_flatten(const Operation& op) {
    const TensorId input = tensor(op.input(0));
    const Shape in = graph_.shape(input);
    const bool all = op.kind() == c10::Symbol::fromQualString("aten::flatten")
                         ? whole(op.input(1)) == 1 && whole(op.input(2)) == -1
                         : is_list(numbers(op.input(1)), in);
    if (!all) throw Unsupported("a flatten of other than all but the batch");
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
  std::unordered_map<const Value*, IValue> known_;  // numbers that are computed of sizes
  std::unordered_set<const Value*> flat_;
};

}  // namespace

Result<Graph> read_torch_graph(const ModuleFile& file, NetworkShape shape) {
  try {
    torch::jit::Module module = load_module(file);
    return Reader(shape).read(torch::jit::freeze(module));
  } catch (const std::exception& error) {
    return Status(StatusCode::kUnsupported, message_of(error));
  }
}

}  // namespace imgrec::worker
