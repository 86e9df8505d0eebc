#include "worker/graph/formats.h"

#include <algorithm>
#include <numeric>

namespace imgrec::worker {
namespace {

constexpr float kByteSteps = 255;

bool passes_bytes_on(const NodeKind& kind) {
  const auto* pooling = std::get_if<Pooling>(&kind);
  return std::holds_alternative<Concatenate>(kind) ||
         (pooling != nullptr && pooling->method == Pooling::Method::kMax);
}

// Decides which tensors are bytes, from the output backwards: a tensor is kept as bytes where it
// can be and everyone who reads it wants them.
class ByteChoice {
 public:
  ByteChoice(const Graph& graph, const Ranges& ranges)
      : graph_(graph), readers_(readers(graph)), byte_(graph.tensors.size(), false) {
    known_.reserve(graph.tensors.size());
    for (const Tensor& tensor : graph.tensors) {
      const auto found = ranges.find(tensor.name);
      known_.push_back(found == ranges.end() ? 0 : std::max(found->second, 0.0F));
    }
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) choose(*node);
    share_scales();
  }

  bool byte(TensorId tensor) const { return byte_[tensor]; }
  bool known(TensorId tensor) const { return known_[tensor] > 0; }
  float range(TensorId tensor) const { return known_[tensor]; }

  // A convolution counts in bytes where its input can be bytes, be it by conversion.
  bool counts_bytes(const Node& node) const {
    return std::holds_alternative<Convolution>(node.kind) && known(node.inputs[0]);
  }

 private:
  void choose(const Node& node) {
    const TensorId out = node.output;
    if (!known(out) || out == graph_.output || readers_[out].empty()) return;
    for (const std::size_t index : readers_[out]) {
      const Node& reader = graph_.nodes[index];
      const bool wants =
          counts_bytes(reader) || (passes_bytes_on(reader.kind) && byte_[reader.output]);
      if (!wants) return;
    }
    // Others write floats; the reader converts them.
    if (counts_bytes(node)) {
      byte_[out] = true;
    } else if (passes_bytes_on(node.kind)) {
      byte_[out] = std::all_of(node.inputs.begin(), node.inputs.end(),
                               [&](TensorId input) { return known(input); });
    }
  }

  // Pooling and concatenation move bytes as they are, so all their tensors need one scale: that of
  // the largest range among them.
  void share_scales() {
    std::vector<TensorId> group(graph_.tensors.size());
    std::iota(group.begin(), group.end(), TensorId{0});
    const auto root = [&](TensorId tensor) {
      while (group[tensor] != tensor) tensor = group[tensor] = group[group[tensor]];
      return tensor;
    };
    for (const Node& node : graph_.nodes) {
      if (!passes_bytes_on(node.kind) || !byte_[node.output]) continue;
      for (const TensorId input : node.inputs) group[root(input)] = root(node.output);
    }
    std::vector<float> largest(graph_.tensors.size(), 0);
    for (TensorId tensor = 0; tensor < known_.size(); ++tensor) {
      largest[root(tensor)] = std::max(largest[root(tensor)], known_[tensor]);
    }
    for (TensorId tensor = 0; tensor < known_.size(); ++tensor) {
      if (known(tensor)) known_[tensor] = largest[root(tensor)];
    }
  }

  const Graph& graph_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<float> known_;  // the range, 0: none
  std::vector<bool> byte_;
};

bool wants_floats(const Node& node) {
  return std::holds_alternative<Dense>(node.kind) || std::holds_alternative<Softmax>(node.kind) ||
         std::holds_alternative<Power>(node.kind) || std::holds_alternative<Multiply>(node.kind);
}

}  // namespace

std::string_view to_string(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return "fp32";
    case Precision::kBf16:
      return "bf16";
    case Precision::kInt8:
      return "int8";
  }
  return "unknown";
}

std::optional<Precision> parse_precision(std::string_view text) {
  for (const Precision p : {Precision::kFp32, Precision::kBf16, Precision::kInt8}) {
    if (text == to_string(p)) return p;
  }
  return std::nullopt;
}

std::size_t byte_convolutions(const Formats& formats) {
  return static_cast<std::size_t>(std::count(formats.bytes.begin(), formats.bytes.end(), true));
}

Formats choose_formats(const Graph& graph, Precision precision, Format reduced,
                       const Ranges& ranges) {
  const Format usual = precision == Precision::kFp32 ? Format::kFloat : reduced;
  Formats formats;
  formats.tensors.assign(graph.tensors.size(), {usual, 1});
  formats.bytes.assign(graph.nodes.size(), false);
  // The scores keep all their digits, as do the few values of dense layers.
  for (const Node& node : graph.nodes) {
    if (wants_floats(node)) formats.tensors[node.output].format = Format::kFloat;
  }
  formats.tensors[graph.output].format = Format::kFloat;
  if (precision != Precision::kInt8) return formats;

  const ByteChoice choice(graph, ranges);
  for (TensorId tensor = 0; tensor < graph.tensors.size(); ++tensor) {
    if (!choice.known(tensor)) continue;
    formats.tensors[tensor].scale = choice.range(tensor) / kByteSteps;
    if (choice.byte(tensor)) formats.tensors[tensor].format = Format::kByte;
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    formats.bytes[i] = choice.counts_bytes(graph.nodes[i]);
  }
  return formats;
}

}  // namespace imgrec::worker
