#include "training/torch/module_source.h"

#include "training/torch/byte_weights.h"

namespace imgrec::training {
namespace {

class Writer {
 public:
  explicit Writer(bool bytes) : bytes_(bytes) {}

  // What is written from here on is of the network of this number.
  void begin(std::size_t net) { prefix_ = net == 0 ? "" : "net" + std::to_string(net + 1) + "_"; }
  // From here on with mirrored kernels, of the weights that are there.
  void mirror(bool mirrored) { mirrored_ = mirrored; }

  // `to` becomes the unit's output of `from`. Without a scale but that of the variance, which is
  // positive, normalisation before halving is the same as after it. The activation is not, as it
  // does not grow everywhere.
  void conv(const std::string& to, const std::string& from, const std::string& name,
            const ConvUnit& unit) {
    const std::int64_t pad = unit->conv->weight.size(2) / 2;
    if (!mirrored_) {
      const auto& norm = unit->norm;
      const torch::Tensor factor = torch::rsqrt(norm->running_var + norm->options.eps());
      weight(name + "_w", unit->conv->weight * factor.reshape({-1, 1, 1, 1}));
      number(name + "_b", norm->bias - norm->running_mean * factor);
    }
    std::string kernels = value(name + "_w");
    if (mirrored_ && pad > 0) kernels = "torch.flip(" + kernels + ", [3])";
    line(to + " = torch.conv2d(" + from + ", " + kernels + ", self." + prefix_ + name +
         "_b, [1, 1], [" + std::to_string(pad) + ", " + std::to_string(pad) + "])");
    if (unit->halve) line(to + " = torch.max_pool2d(" + to + ", [2, 2])");
    line(to + " = torch.silu(" + to + ")");
  }
  void block(const std::string& name, const InceptionBlock& block) {
    conv("a", "x", name + "_one", block->one);
    conv("b", "x", name + "_three", block->three);
    conv("c", "x", name + "_narrow_five", block->narrow_five);
    conv("c", "c", name + "_five_a", block->five_a);
    conv("c", "c", name + "_five_b", block->five_b);
    line("d = torch.max_pool2d(x, [3, 3], [1, 1], [1, 1])");
    conv("d", "d", name + "_pool", block->pool);
    line("x = torch.cat([a, b, c, d], 1)");
  }
  // `features` become those of `picture`.
  void features(const InceptionNet& net) {
    conv("x", "picture", "stem", net->stem);
    for (std::size_t i = 0; i < net->blocks.size(); ++i) {
      const std::string number = std::to_string(i + 1);
      conv("x", "x", "wide" + number, net->wides[i]);
      block("block" + number, net->blocks[i]);
    }
    line("features = torch.amax(x, [2, 3])");
  }
  // `to` becomes the last layer's answer to `features`, divided.
  void head(const std::string& to, const InceptionNet& net, double weight_divisor,
            double bias_divisor) {
    weight("head_w", net->head->weight / (kHeadDivisor * weight_divisor));
    number("head_b", net->head->bias / (kHeadDivisor * bias_divisor));
    line(to + " = torch.linear(features, " + value("head_w") + ", self." + prefix_ + "head_b)");
  }
  void line(const std::string& text) { source_.text += "    " + text + "\n"; }
  ModuleSource take() { return std::move(source_); }

 private:
  void number(const std::string& name, const torch::Tensor& value) {
    source_.weights.emplace_back(prefix_ + name,
                                 value.detach().to(torch::kCPU).clone().contiguous());
  }
  void weight(const std::string& name, const torch::Tensor& value) {
    if (!bytes_) return number(name, value);
    const ByteWeights rounded(value);
    number(name, rounded.bytes);
    number(name + "_factor", rounded.factor);
  }
  std::string value(const std::string& name) const {
    const std::string stored = "self." + prefix_ + name;
    return bytes_ ? "(" + stored + ".float() * " + stored + "_factor)" : stored;
  }

  const bool bytes_;
  bool mirrored_ = false;
  std::string prefix_;
  ModuleSource source_{"def forward(self, picture: Tensor) -> Tensor:\n", {}};
};

}  // namespace

ModuleSource module_source(const std::vector<InceptionNet>& nets, const ModuleOptions& options) {
  const torch::NoGradGuard no_grad;
  Writer writer(options.bytes);
  // The temperature goes into the last layer, and so does the mean: fewer operations.
  const double divisor = options.temperature * static_cast<double>(nets.size());
  for (std::size_t i = 0; i < nets.size(); ++i) {
    writer.begin(i);
    writer.mirror(false);
    writer.features(nets[i]);
    if (options.mirror) {
      writer.line("of_picture = features");
      writer.mirror(true);
      writer.features(nets[i]);
      writer.line("features = of_picture + features");
    }
    writer.head(i == 0 ? "logits" : "more", nets[i], options.mirror ? 2 * divisor : divisor,
                divisor);
    if (i > 0) writer.line("logits = logits + more");
  }
  writer.line("return torch.softmax(logits, 1)");
  return writer.take();
}

}  // namespace imgrec::training
