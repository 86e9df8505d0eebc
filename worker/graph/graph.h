// A classifier as a graph of plain structs: what is read from a TorchScript module, rewritten by
// passes.h, given number formats by formats.h, and compiled by worker/inference.
//
// Every tensor is one picture: channels x height x width floats; a list of features has height and
// width 1. Weights are shared, so that a graph is cheap to copy.
//
// Thread rule: plain values.
// Owns: its nodes; shares the weights.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/status.h"

namespace imgrec::worker {

using TensorId = std::uint32_t;

struct Shape {
  std::int64_t channels = 0;
  std::int64_t height = 1;
  std::int64_t width = 1;
  std::int64_t values() const { return channels * height * width; }
  friend bool operator==(const Shape&, const Shape&) = default;
};

struct Tensor {
  std::string name;  // unique in the graph, the same in every run: calibrations refer to it
  Shape shape;
};

using Weights = std::shared_ptr<const std::vector<float>>;

// Positions over a picture: a kernel's size, its step, and the padding before and after.
struct Window {
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t top = 0, left = 0, bottom = 0, right = 0;
  std::int64_t dilation_h = 1, dilation_w = 1;  // of convolutions only
};

// What happens to each value after a node's own work.
enum class Activation { kNone, kRelu, kRelu6, kSilu };  // SiLU: x * sigmoid(x)

struct Convolution {
  Window window;
  std::int64_t outputs = 0;
  std::int64_t groups = 1;
  Weights weights;  // outputs x (inputs / groups) x kernel_h x kernel_w
  Weights bias;     // outputs
  Activation activation = Activation::kNone;
};

// All values of a picture, in the order channels, height, width, times a matrix.
struct Dense {
  std::int64_t outputs = 0;
  Weights weights;  // outputs x inputs
  Weights bias;     // outputs
  Activation activation = Activation::kNone;
};

struct Pooling {
  enum class Method { kMax, kAverage, kAverageWithPadding };  // what the average divides by
  Method method = Method::kMax;
  Window window;
};

// Across channels: x * (k + alpha/size * sum of x² over `size` neighbouring channels) ^ -beta.
struct LocalNormalisation {
  std::int64_t size = 5;  // odd
  float alpha = 1;
  float beta = 0.75F;
  float k = 1;
};

struct Activate {  // inputs: x
  Activation activation = Activation::kRelu;
};
struct Concatenate {};  // inputs: any number, joined by channels
struct Add {            // inputs: a, b of one shape
  Activation activation = Activation::kNone;
};
struct Multiply {};  // inputs: a, b of one shape
struct Power {       // x ^ exponent
  float exponent = 1;
};
struct Softmax {};  // over channels

using NodeKind = std::variant<Convolution, Dense, Pooling, LocalNormalisation, Activate,
                              Concatenate, Add, Multiply, Power, Softmax>;

struct Node {
  NodeKind kind;
  std::vector<TensorId> inputs;
  TensorId output = 0;
};

struct Graph {
  std::vector<Tensor> tensors;  // by TensorId
  std::vector<Node> nodes;      // each tensor is written once, before it is read
  TensorId input = 0;
  TensorId output = 0;

  const Shape& shape(TensorId tensor) const { return tensors[tensor].shape; }
};

// "convolution", "max pooling", …
std::string_view kind_name(const NodeKind& kind);

// The size of `window`'s output along both directions; kernels that do not fit give 0.
Shape window_output(const Shape& input, const Window& window, std::int64_t channels);

// Multiplications and additions for one picture, of convolutions and dense layers: 2 for each pair.
double operations(const Graph& graph);

// Adds a node; the output's shape follows from the inputs' and `kind`.
// kInvalidArgument: the inputs or the weights do not fit the kind, with both sizes in the text.
Result<TensorId> add_node(Graph& graph, NodeKind kind, std::vector<TensorId> inputs,
                          std::string name);

// Who reads each tensor: indices into nodes, by TensorId.
std::vector<std::vector<std::size_t>> readers(const Graph& graph);

}  // namespace imgrec::worker
