#include "worker/graph/passes.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace imgrec::worker {
namespace {

// How each tensor comes about, and who reads it, while a pass runs.
class View {
 public:
  explicit View(const Graph& graph) : graph_(graph), readers_(readers(graph)) {
    writers_.resize(graph.tensors.size());
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) writers_[graph.nodes[i].output] = i;
  }

  // The node that writes `tensor`, if it is of this kind.
  template <class Kind>
  const Node* writer(TensorId tensor) const {
    const std::optional<std::size_t>& index = writers_[tensor];
    if (!index || !std::holds_alternative<Kind>(graph_.nodes[*index].kind)) return nullptr;
    return &graph_.nodes[*index];
  }

  std::optional<std::size_t> writer_index(TensorId tensor) const { return writers_[tensor]; }

  bool read_once(TensorId tensor) const {
    return readers_[tensor].size() == 1 && tensor != graph_.output;
  }

 private:
  const Graph& graph_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<std::optional<std::size_t>> writers_;
};

// size, alpha and k of a 1x1 convolution that sums over a band of channels; nothing for others.
std::optional<LocalNormalisation> as_band(const Convolution& node, std::int64_t channels) {
  const Window& w = node.window;
  const bool plain = w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1 &&
                     w.top + w.left + w.bottom + w.right == 0;
  if (!plain || node.groups != 1 || node.outputs != channels ||
      node.activation != Activation::kNone) {
    return std::nullopt;
  }
  const std::vector<float>& matrix = *node.weights;
  const auto n = static_cast<std::size_t>(channels);
  const float value = matrix[0];
  std::size_t half = 0;
  while (half + 1 < n && matrix[half + 1] == value) ++half;
  // A band as wide as the matrix says nothing of where it would end.
  if (value == 0 || half + 1 >= n) return std::nullopt;
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t column = 0; column < n; ++column) {
      const bool inside = (row > column ? row - column : column - row) <= half;
      if (matrix[row * n + column] != (inside ? value : 0.0F)) return std::nullopt;
    }
  }
  const std::vector<float>& bias = *node.bias;
  if (std::any_of(bias.begin(), bias.end(), [&](float k) { return k != bias[0]; })) {
    return std::nullopt;
  }
  LocalNormalisation found;
  found.size = static_cast<std::int64_t>(2 * half + 1);
  found.alpha = value * static_cast<float>(found.size);
  found.k = bias[0];
  return found;
}

// A tensor written as base ^ exponent, through any number of powers and products of powers.
struct AsPower {
  TensorId base = 0;
  float exponent = 1;
};

AsPower as_power(const View& view, TensorId tensor) {
  if (const Node* node = view.writer<Power>(tensor)) {
    const AsPower inner = as_power(view, node->inputs[0]);
    return {inner.base, inner.exponent * std::get<Power>(node->kind).exponent};
  }
  if (const Node* node = view.writer<Multiply>(tensor)) {
    const AsPower a = as_power(view, node->inputs[0]);
    const AsPower b = as_power(view, node->inputs[1]);
    if (a.base == b.base) return {a.base, a.exponent + b.exponent};
  }
  return {tensor, 1};
}

// `node` as a local response normalisation of `input`: input * band(input²) ^ -beta.
std::optional<LocalNormalisation> as_normalisation(const Graph& graph, const View& view,
                                                   TensorId input, TensorId factor) {
  const AsPower power = as_power(view, factor);
  const Node* sum = view.writer<Convolution>(power.base);
  if (sum == nullptr || power.exponent >= 0) return std::nullopt;
  const AsPower squared = as_power(view, sum->inputs[0]);
  if (squared.base != input || squared.exponent != 2) return std::nullopt;
  auto found = as_band(std::get<Convolution>(sum->kind), graph.shape(input).channels);
  if (found) found->beta = -power.exponent;
  return found;
}

Activation* activation_of(NodeKind& kind) {
  if (auto* node = std::get_if<Convolution>(&kind)) return &node->activation;
  if (auto* node = std::get_if<Dense>(&kind)) return &node->activation;
  if (auto* node = std::get_if<Add>(&kind)) return &node->activation;
  return nullptr;
}

}  // namespace

unsigned recognise_normalisations(Graph& graph) {
  unsigned found = 0;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!std::holds_alternative<Multiply>(graph.nodes[i].kind)) continue;
    const View view(graph);
    const TensorId a = graph.nodes[i].inputs[0];
    const TensorId b = graph.nodes[i].inputs[1];
    TensorId input = a;
    auto normalisation = as_normalisation(graph, view, a, b);
    if (!normalisation) {
      input = b;
      normalisation = as_normalisation(graph, view, b, a);
    }
    if (!normalisation) continue;
    graph.nodes[i] = {*normalisation, {input}, graph.nodes[i].output};
    ++found;
  }
  return found;
}

unsigned fuse_activations(Graph& graph) {
  unsigned fused = 0;
  for (std::size_t i = 0; i < graph.nodes.size();) {
    const auto* own = std::get_if<Activate>(&graph.nodes[i].kind);
    const View view(graph);
    const TensorId input = own != nullptr ? graph.nodes[i].inputs[0] : 0;
    const auto before = own != nullptr ? view.writer_index(input) : std::nullopt;
    Activation* target = before ? activation_of(graph.nodes[*before].kind) : nullptr;
    if (target == nullptr || *target != Activation::kNone || !view.read_once(input)) {
      ++i;
      continue;
    }
    // The node before writes the activation's output, which keeps its name.
    *target = own->activation;
    graph.nodes[*before].output = graph.nodes[i].output;
    graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i));
    ++fused;
  }
  return fused;
}

unsigned drop_unread(Graph& graph) {
  std::vector<bool> needed(graph.tensors.size(), false);
  needed[graph.output] = true;
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (!needed[node->output]) continue;
    for (const TensorId input : node->inputs) needed[input] = true;
    kept.push_back(std::move(*node));
  }
  const auto dropped = static_cast<unsigned>(graph.nodes.size() - kept.size());
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
  return dropped;
}

Simplifications simplify(Graph& graph) {
  Simplifications done;
  done.normalisations = recognise_normalisations(graph);
  done.dropped = drop_unread(graph);
  done.activations = fuse_activations(graph);
  return done;
}

}  // namespace imgrec::worker
