// Graphs for tests, in few words.
#pragma once

#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "worker/graph/graph.h"

namespace imgrec::worker::testing {

inline Weights weights(std::vector<float> values) {
  return std::make_shared<const std::vector<float>>(std::move(values));
}
inline Weights constant(std::int64_t count, float value) {
  return weights(std::vector<float>(static_cast<std::size_t>(count), value));
}

class GraphBuilder {
 public:
  explicit GraphBuilder(Shape input) { graph.tensors.push_back({"input", input}); }

  // Throws where the node does not fit.
  TensorId add(NodeKind kind, std::vector<TensorId> inputs, std::string name = {}) {
    if (name.empty()) name = "t" + std::to_string(graph.tensors.size());
    const auto output = add_node(graph, std::move(kind), std::move(inputs), name);
    if (!output) throw std::runtime_error(output.status().message());
    graph.output = *output;
    return *output;
  }

  // 1x1, stride 1.
  TensorId convolution(TensorId input, std::int64_t outputs, std::string name = {}) {
    Convolution node;
    node.outputs = outputs;
    node.weights = constant(outputs * graph.shape(input).channels, 0.5F);
    node.bias = constant(outputs, 0);
    return add(node, {input}, std::move(name));
  }
  TensorId relu(TensorId input, std::string name = {}) {
    return add(Activate{Activation::kRelu}, {input}, std::move(name));
  }

  Graph graph;
};

}  // namespace imgrec::worker::testing
