#include "worker/graph/graph.h"

#include <utility>

namespace imgrec::worker {
namespace {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

std::string text(const Shape& shape) {
  return std::to_string(shape.channels) + "x" + std::to_string(shape.height) + "x" +
         std::to_string(shape.width);
}

Status misfit(const NodeKind& kind, const std::string& what) {
  return {StatusCode::kInvalidArgument, std::string(kind_name(kind)) + ": " + what};
}

// Further than any network goes, and no sum or product of them overflows.
constexpr std::int64_t kLargestWindow = 1 << 20;

bool sensible(const Window& w) {
  for (const std::int64_t number : {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h,
                                    w.dilation_w, w.top, w.left, w.bottom, w.right}) {
    if (number > kLargestWindow) return false;
  }
  return w.kernel_h > 0 && w.kernel_w > 0 && w.stride_h > 0 && w.stride_w > 0 && w.dilation_h > 0 &&
         w.dilation_w > 0 && w.top >= 0 && w.left >= 0 && w.bottom >= 0 && w.right >= 0;
}

std::int64_t positions(std::int64_t size, std::int64_t kernel, std::int64_t dilation,
                       std::int64_t stride, std::int64_t padding) {
  const std::int64_t room = size + padding - (dilation * (kernel - 1) + 1);
  return room < 0 ? 0 : room / stride + 1;
}

bool has_values(const Weights& weights, std::int64_t count) {
  return weights != nullptr && static_cast<std::int64_t>(weights->size()) == count;
}

Result<Shape> shape_after(const Convolution& node, const std::vector<Shape>& in) {
  const NodeKind kind = node;
  const Shape& x = in[0];
  if (node.outputs <= 0 || node.groups <= 0 || x.channels % node.groups != 0 ||
      node.outputs % node.groups != 0 || !sensible(node.window)) {
    return misfit(kind, std::to_string(node.outputs) + " outputs in " +
                            std::to_string(node.groups) + " groups over " + text(x));
  }
  const std::int64_t count =
      node.outputs * (x.channels / node.groups) * node.window.kernel_h * node.window.kernel_w;
  if (!has_values(node.weights, count) || !has_values(node.bias, node.outputs)) {
    return misfit(kind, "needs " + std::to_string(count) + " weights and " +
                            std::to_string(node.outputs) + " biases over " + text(x));
  }
  const Shape out = window_output(x, node.window, node.outputs);
  if (out.values() == 0) return misfit(kind, "its window does not fit into " + text(x));
  return out;
}

Result<Shape> shape_after(const Dense& node, const std::vector<Shape>& in) {
  if (node.outputs <= 0 || !has_values(node.weights, node.outputs * in[0].values()) ||
      !has_values(node.bias, node.outputs)) {
    return misfit(node, std::to_string(node.outputs) + " outputs do not fit " + text(in[0]));
  }
  return Shape{node.outputs, 1, 1};
}

Result<Shape> shape_after(const Pooling& node, const std::vector<Shape>& in) {
  const Shape out =
      sensible(node.window) ? window_output(in[0], node.window, in[0].channels) : Shape{};
  if (out.values() == 0) return misfit(node, "its window does not fit into " + text(in[0]));
  return out;
}

Result<Shape> shape_after(const LocalNormalisation& node, const std::vector<Shape>& in) {
  if (node.size <= 0 || node.size % 2 == 0) {
    return misfit(node, "over " + std::to_string(node.size) + " channels, which is not odd");
  }
  return in[0];
}

Result<Shape> shape_after(const Concatenate& node, const std::vector<Shape>& in) {
  Shape out = in[0];
  for (std::size_t i = 1; i < in.size(); ++i) {
    if (in[i].height != out.height || in[i].width != out.width) {
      return misfit(node, text(in[i]) + " does not fit beside " + text(in[0]));
    }
    out.channels += in[i].channels;
  }
  return out;
}

Result<Shape> same_shapes(const NodeKind& kind, const std::vector<Shape>& in) {
  if (in[0] == in[1]) return in[0];
  return misfit(kind, text(in[0]) + " and " + text(in[1]) + " are not of one size");
}
Result<Shape> shape_after(const Add& node, const std::vector<Shape>& in) {
  return same_shapes(node, in);
}
Result<Shape> shape_after(const Multiply& node, const std::vector<Shape>& in) {
  return same_shapes(node, in);
}
Result<Shape> shape_after(const Activate&, const std::vector<Shape>& in) { return in[0]; }
Result<Shape> shape_after(const Power&, const std::vector<Shape>& in) { return in[0]; }
Result<Shape> shape_after(const Softmax&, const std::vector<Shape>& in) { return in[0]; }

bool takes(const NodeKind& kind, std::size_t inputs) {
  if (std::holds_alternative<Concatenate>(kind)) return inputs >= 1;
  const bool two = std::holds_alternative<Add>(kind) || std::holds_alternative<Multiply>(kind);
  return inputs == (two ? 2U : 1U);
}

}  // namespace

std::string_view kind_name(const NodeKind& kind) {
  return std::visit(Overloaded{
                        [](const Convolution&) { return "convolution"; },
                        [](const Dense&) { return "dense layer"; },
                        [](const Pooling& node) {
                          return node.method == Pooling::Method::kMax ? "max pooling"
                                                                      : "average pooling";
                        },
                        [](const LocalNormalisation&) { return "local response normalisation"; },
                        [](const Activate&) { return "activation"; },
                        [](const Concatenate&) { return "concatenation"; },
                        [](const Add&) { return "addition"; },
                        [](const Multiply&) { return "multiplication"; },
                        [](const Power&) { return "power"; },
                        [](const Softmax&) { return "softmax"; },
                    },
                    kind);
}

Shape window_output(const Shape& input, const Window& w, std::int64_t channels) {
  return {channels, positions(input.height, w.kernel_h, w.dilation_h, w.stride_h, w.top + w.bottom),
          positions(input.width, w.kernel_w, w.dilation_w, w.stride_w, w.left + w.right)};
}

double operations(const Graph& graph) {
  double sum = 0;
  for (const Node& node : graph.nodes) {
    const Shape& out = graph.shape(node.output);
    if (const auto* convolution = std::get_if<Convolution>(&node.kind)) {
      sum += 2.0 * static_cast<double>(convolution->weights->size()) *
             static_cast<double>(out.height * out.width);
    } else if (const auto* dense = std::get_if<Dense>(&node.kind)) {
      sum += 2.0 * static_cast<double>(dense->weights->size());
    }
  }
  return sum;
}

Result<TensorId> add_node(Graph& graph, NodeKind kind, std::vector<TensorId> inputs,
                          std::string name) {
  if (!takes(kind, inputs.size())) {
    return misfit(kind, "cannot have " + std::to_string(inputs.size()) + " inputs");
  }
  std::vector<Shape> shapes;
  for (const TensorId input : inputs) shapes.push_back(graph.shape(input));
  Result<Shape> shape =
      std::visit([&](const auto& node) { return shape_after(node, shapes); }, kind);
  if (!shape) return shape.status();
  const auto output = static_cast<TensorId>(graph.tensors.size());
  graph.tensors.push_back({std::move(name), *shape});
  graph.nodes.push_back({std::move(kind), std::move(inputs), output});
  return output;
}

std::vector<std::vector<std::size_t>> readers(const Graph& graph) {
  std::vector<std::vector<std::size_t>> result(graph.tensors.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const TensorId input : graph.nodes[i].inputs) {
      std::vector<std::size_t>& list = result[input];
      if (list.empty() || list.back() != i) list.push_back(i);
    }
  }
  return result;
}

}  // namespace imgrec::worker
