#include "training/torch/module_source.h"

#include <array>
#include <cstdio>

namespace imgrec::training {
namespace {

class Writer {
 public:
  // One line: `to` becomes the unit's output of `from`.
  void conv(const std::string& to, const std::string& from, const std::string& name,
            const ConvUnit& unit) {
    const auto& norm = unit->norm;
    const torch::Tensor factor =
        norm->weight / torch::sqrt(norm->running_var + norm->options.eps());
    const std::int64_t pad = unit->conv->weight.size(2) / 2;
    std::string kernels = "self." + name + "_w";
    if (!mirrored_) {
      weight(name + "_w", unit->conv->weight * factor.reshape({-1, 1, 1, 1}));
      weight(name + "_b", norm->bias - norm->running_mean * factor);
    } else if (pad > 0) {
      kernels = "torch.flip(" + kernels + ", [3])";
    }
    line(to + " = torch.relu(torch.conv2d(" + from + ", " + kernels + ", self." + name +
         "_b, [1, 1], [" + std::to_string(pad) + ", " + std::to_string(pad) + "]))");
  }
  void block(const std::string& name, const InceptionBlock& block) {
    conv("a", "x", name + "_one", block->one);
    conv("b", "x", name + "_narrow_three", block->narrow_three);
    conv("b", "b", name + "_three", block->three);
    conv("c", "x", name + "_narrow_five", block->narrow_five);
    conv("c", "c", name + "_five_a", block->five_a);
    conv("c", "c", name + "_five_b", block->five_b);
    line("d = torch.max_pool2d(x, [3, 3], [1, 1], [1, 1])");
    conv("d", "d", name + "_pool", block->pool);
    line("x = torch.cat([a, b, c, d], 1)");
  }
  void line(const std::string& text) { source_.text += "    " + text + "\n"; }
  void weight(const std::string& name, const torch::Tensor& value) {
    source_.weights.emplace_back(name, value.detach().to(torch::kCPU).clone().contiguous());
  }
  // From here on with mirrored kernels, of the weights that are there.
  void mirror() { mirrored_ = true; }
  ModuleSource take() { return std::move(source_); }

 private:
  bool mirrored_ = false;
  ModuleSource source_{"def forward(self, picture: Tensor) -> Tensor:\n", {}};
};

}  // namespace

ModuleSource module_source(const InceptionNet& net, double temperature, bool mirror) {
  const torch::NoGradGuard no_grad;
  Writer writer;
  const auto features = [&](const std::string& picture, const std::string& to) {
    writer.conv("x", picture, "stem1", net->stem1);
    writer.conv("x", "x", "stem2", net->stem2);
    for (std::size_t i = 0; i < net->blocks.size(); ++i) {
      if (i % 2 == 0) writer.line("x = torch.max_pool2d(x, [2, 2])");
      writer.block("block" + std::to_string(i + 1), net->blocks[i]);
    }
    writer.line(to + " = torch.mean(x, [2, 3])");
  };
  features("picture", "features");
  if (mirror) {
    writer.mirror();
    features("picture", "of_mirror");
    writer.line("features = features + of_mirror");
  }
  // The temperature goes into the last layer, and so does the mean of the two: one operation less.
  const double divisor = mirror ? 2 * temperature : temperature;
  writer.weight("head_w", net->head->weight / divisor);
  writer.weight("head_b", net->head->bias / temperature);
  writer.line("return torch.softmax(torch.linear(features, self.head_w, self.head_b), 1)");
  return writer.take();
}

}  // namespace imgrec::training
