#include "models/caffe/torchscript_source.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

namespace imgrec::models {
namespace {

// The shortest text that reads back as the same number, always with a point: TorchScript tells
// 1 (int) from 1.0 (float).
std::string number(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, static_cast<double>(value)).ptr;
  std::string result(text, end);
  if (result.find_first_of(".en") == std::string::npos) result += ".0";
  return result;
}

std::string pair(std::int64_t h, std::int64_t w) {
  return "[" + std::to_string(h) + ", " + std::to_string(w) + "]";
}

class ScriptWriter {
 public:
  explicit ScriptWriter(const Network& network) : network_(network) {}

  Script write() {
    body_ = "def forward(self, x: Tensor) -> Tensor:\n";
    for (const Layer& layer : network_.layers) {
      std::visit([&](const auto& kind) { emit(layer, kind); }, layer.kind);
    }
    // batch x classes, whatever the last layer's own shape (a 1x1 picture per class, say).
    body_ += "  return torch.flatten(" + variables_.at(network_.output) + ", 1)\n";
    script_.source = std::move(body_);
    return std::move(script_);
  }

 private:
  void emit(const Layer& layer, const Input&) { variables_[layer.top] = "x"; }

  void emit(const Layer& layer, const Convolution& kind) {
    const Window& w = kind.window;
    const std::string weight =
        add_weight(layer, "weight",
                   {kind.outputs, layer.bottom_shapes[0][0] / kind.group, w.kernel_h, w.kernel_w},
                   kind.weights);
    const std::string bias =
        kind.has_bias ? add_weight(layer, "bias", {kind.outputs}, kind.bias) : "None";
    assign(layer, "torch.conv2d(" + bottom(layer) + ", " + weight + ", " + bias + ", " +
                      pair(w.stride_h, w.stride_w) + ", " + pair(w.pad_h, w.pad_w) + ", " +
                      pair(kind.dilation_h, kind.dilation_w) + ", " + std::to_string(kind.group) +
                      ")");
  }

  void emit(const Layer& layer, const Relu& kind) {
    assign(layer, kind.negative_slope == 0 ? "torch.relu(" + bottom(layer) + ")"
                                           : "torch.leaky_relu(" + bottom(layer) + ", " +
                                                 number(kind.negative_slope) + ")");
  }

  // Torch's ceil_mode drops a last window that starts outside the picture and its leading padding,
  // and count_include_pad counts a window's padding but not what hangs over the padded edge: both
  // are Caffe's rules.
  void emit(const Layer& layer, const Pooling& kind) {
    const Window& w = kind.window;
    const std::string windows = bottom(layer) + ", " + pair(w.kernel_h, w.kernel_w) + ", " +
                                pair(w.stride_h, w.stride_w) + ", " + pair(w.pad_h, w.pad_w);
    const std::string round_up = kind.round_up ? "True" : "False";
    assign(layer, kind.method == Pooling::Method::kMax
                      ? "torch.max_pool2d(" + windows + ", [1, 1], " + round_up + ")"
                      : "torch.avg_pool2d(" + windows + ", " + round_up + ", True)");
  }

  // The sum over neighbouring channels is a 1x1 convolution of x² with a banded matrix: row c has
  // alpha/size in columns c - size/2 … c + size/2, and the bias is k. Torch's own
  // local_response_norm runs as a three-dimensional average pool and is several times slower.
  // d^-0.75 is 1 / (sqrt(d) * sqrt(sqrt(d))): square roots are vector instructions, pow is not.
  void emit(const Layer& layer, const Lrn& kind) {
    const std::int64_t channels = layer.top_shape[0];
    std::vector<float> band(static_cast<std::size_t>(channels * channels), 0.0F);
    for (std::int64_t row = 0; row < channels; ++row) {
      const std::int64_t first = std::max<std::int64_t>(0, row - kind.size / 2);
      const std::int64_t last = std::min(channels - 1, row + kind.size / 2);
      for (std::int64_t column = first; column <= last; ++column) {
        band[static_cast<std::size_t>(row * channels + column)] =
            kind.alpha / static_cast<float>(kind.size);
      }
    }
    const std::string matrix =
        add_own_weight(layer, "band", {channels, channels, 1, 1}, std::move(band));
    const std::string bias = add_own_weight(
        layer, "k", {channels}, std::vector<float>(static_cast<std::size_t>(channels), kind.k));
    const std::string in = bottom(layer);
    const std::string d = new_variable();
    body_ += "  " + d + " = torch.conv2d(" + in + " * " + in + ", " + matrix + ", " + bias + ")\n";
    if (kind.beta == 0.75F) {
      const std::string root = new_variable();
      body_ += "  " + root + " = torch.sqrt(" + d + ")\n";
      assign(layer, in + " * torch.reciprocal(" + root + " * torch.sqrt(" + root + "))");
    } else {
      assign(layer, in + " * torch.pow(" + d + ", " + number(-kind.beta) + ")");
    }
  }

  void emit(const Layer& layer, const Concat&) {
    std::string inputs;
    for (const std::string& name : layer.bottoms) {
      inputs += (inputs.empty() ? "" : ", ") + variables_.at(name);
    }
    assign(layer, "torch.cat([" + inputs + "], 1)");
  }

  void emit(const Layer& layer, const Dropout&) { variables_[layer.top] = bottom(layer); }

  void emit(const Layer& layer, const InnerProduct& kind) {
    const auto inputs = static_cast<std::int64_t>(kind.weights.size()) / kind.outputs;
    const std::string weight = add_weight(layer, "weight", {kind.outputs, inputs}, kind.weights);
    const std::string bias =
        kind.has_bias ? add_weight(layer, "bias", {kind.outputs}, kind.bias) : "None";
    const bool flat = layer.bottom_shapes[0].size() == 1;
    const std::string in = flat ? bottom(layer) : "torch.flatten(" + bottom(layer) + ", 1)";
    assign(layer, "torch.linear(" + in + ", " + weight + ", " + bias + ")");
  }

  void emit(const Layer& layer, const Softmax&) {
    assign(layer, "torch.softmax(" + bottom(layer) + ", 1)");
  }

  const std::string& bottom(const Layer& layer) const { return variables_.at(layer.bottoms[0]); }

  std::string new_variable() { return "v" + std::to_string(next_++); }

  // A layer that works in place gives its blob a new variable; later layers read that one.
  void assign(const Layer& layer, const std::string& expression) {
    const std::string variable = new_variable();
    body_ += "  " + variable + " = " + expression + "\n";
    variables_[layer.top] = variable;
  }

  std::string add_weight(const Layer& layer, const char* role, std::vector<std::int64_t> shape,
                         const std::vector<float>& values) {
    script_.weights.push_back({attribute_name(layer, role), std::move(shape), &values, {}});
    return "self." + script_.weights.back().attribute;
  }

  std::string add_own_weight(const Layer& layer, const char* role, std::vector<std::int64_t> shape,
                             std::vector<float> values) {
    script_.weights.push_back(
        {attribute_name(layer, role), std::move(shape), nullptr, std::move(values)});
    return "self." + script_.weights.back().attribute;
  }

  // "conv1/7x7_s2" becomes "conv1_7x7_s2_weight"; the prefix keeps clear of digits and keywords.
  std::string attribute_name(const Layer& layer, const char* role) {
    std::string name = layer.name;
    for (char& c : name) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (!plain) c = '_';
    }
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) name.insert(0, "layer_");
    name += std::string("_") + role;
    for (int n = 2; !names_.insert(name).second; ++n) name += "_" + std::to_string(n);
    return name;
  }

  const Network& network_;
  Script script_;
  std::string body_;
  std::map<std::string, std::string> variables_;  // blob -> variable that holds it now
  std::set<std::string> names_;
  int next_ = 0;
};

}  // namespace

Script make_script(const Network& network) { return ScriptWriter(network).write(); }

}  // namespace imgrec::models
