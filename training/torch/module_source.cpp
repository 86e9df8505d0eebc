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
    weight(name + "_w", unit->conv->weight * factor.reshape({-1, 1, 1, 1}));
    weight(name + "_b", norm->bias - norm->running_mean * factor);
    const std::int64_t pad = unit->conv->weight.size(2) / 2;
    line(to + " = torch.relu(torch.conv2d(" + from + ", self." + name + "_w, self." + name +
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
  ModuleSource take() { return std::move(source_); }

 private:
  ModuleSource source_{"def forward(self, x: Tensor) -> Tensor:\n", {}};
};

}  // namespace

ModuleSource module_source(const InceptionNet& net, double temperature) {
  const torch::NoGradGuard no_grad;
  Writer writer;
  writer.conv("x", "x", "stem1", net->stem1);
  writer.conv("x", "x", "stem2", net->stem2);
  for (std::size_t i = 0; i < net->blocks.size(); ++i) {
    if (i % 2 == 0) writer.line("x = torch.max_pool2d(x, [2, 2])");
    writer.block("block" + std::to_string(i + 1), net->blocks[i]);
  }
  // The temperature goes into the last layer: one operation less.
  writer.weight("head_w", net->head->weight / temperature);
  writer.weight("head_b", net->head->bias / temperature);
  writer.line("x = torch.mean(x, [2, 3])");
  writer.line("return torch.softmax(torch.linear(x, self.head_w, self.head_b), 1)");
  return writer.take();
}

}  // namespace imgrec::training
