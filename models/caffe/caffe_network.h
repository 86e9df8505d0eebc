// A Caffe image classifier as plain structs: read from a deploy prototxt and a caffemodel, checked,
// with the shape of every blob worked out. What follows (torchscript_writer.h) can rely on it.
//
// Thread rule: pure functions over files; plain values.
// Owns: the weights.
// Source of the format: the public caffe.proto; caffe.proto beside this file is the part we read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/status.h"

namespace imgrec::models {

// Dimensions without the batch: {channels, height, width}, or {features} after an inner product.
using Shape = std::vector<std::int64_t>;

// "3x224x224"
std::string to_string(const Shape& shape);

struct Window {
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;
};

struct Input {};

struct Convolution {
  Window window;
  std::int64_t outputs = 0;
  std::int64_t group = 1;
  std::int64_t dilation_h = 1, dilation_w = 1;
  bool has_bias = true;
  std::vector<float> weights;  // outputs x (inputs / group) x kernel_h x kernel_w
  std::vector<float> bias;     // outputs, or empty
};

struct Relu {
  float negative_slope = 0;
};

struct Pooling {
  enum class Method { kMax, kAverage };
  Method method = Method::kMax;
  Window window;
  bool round_up = true;  // the last window may hang over the edge
  bool global = false;   // the window is the whole picture
};

// Across channels: x * (k + alpha/size * sum of x² over `size` neighbouring channels) ^ -beta.
struct Lrn {
  std::int64_t size = 5;  // odd
  float alpha = 1;
  float beta = 0.75F;
  float k = 1;
};

struct Concat {};  // of channels

struct Dropout {};  // nothing, at inference

struct InnerProduct {
  std::int64_t outputs = 0;
  bool has_bias = true;
  std::vector<float> weights;  // outputs x inputs
  std::vector<float> bias;     // outputs, or empty
};

struct Softmax {};  // over channels

using LayerKind =
    std::variant<Input, Convolution, Relu, Pooling, Lrn, Concat, Dropout, InnerProduct, Softmax>;

struct Layer {
  std::string name;
  LayerKind kind;
  std::vector<std::string> bottoms;  // blobs read
  std::vector<Shape> bottom_shapes;
  std::string top;  // blob written; may be a bottom's name: the layer works in place
  Shape top_shape;
};

struct Network {
  std::string name;
  std::vector<Layer> layers;  // in order: each blob is written before it is read
  std::string input;          // the one input blob
  Shape input_shape;          // channels, height, width
  std::string output;         // the one blob that nothing reads
  Shape output_shape;
  bool output_is_probabilities = false;     // the last layer is a softmax
  std::vector<std::string> unused_weights;  // layers of the caffemodel that the prototxt lacks,
                                            // such as the auxiliary heads that only training uses
};

// Reads and checks both files. Errors name the file, the layer and what is wrong with it.
Result<Network> read_network(const std::filesystem::path& prototxt,
                             const std::filesystem::path& caffemodel);

}  // namespace imgrec::models
