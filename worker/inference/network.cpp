#include "worker/inference/network.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include <spdlog/spdlog.h>

#include "worker/graph/passes.h"
#include "worker/inference/compiled_network.h"
#include "worker/inference/torch_graph.h"
#include "worker/inference/torch_network.h"

namespace imgrec::worker {
namespace {

// The largest difference of a score, relative to the largest score, that rounding in another order
// explains; a wrong rewrite is off by far more.
constexpr float kSameScores = 1e-3F;
constexpr int kWarmUpRuns = 2;

// CompiledNetwork as a Network.
class CompiledForm : public Network {
 public:
  CompiledForm(std::unique_ptr<CompiledNetwork> network, std::vector<float> warm_up_input)
      : network_(std::move(network)), warm_up_input_(std::move(warm_up_input)) {}

  Status prepare_thread() override {
    use_one_thread();
    for (int i = 0; i < kWarmUpRuns; ++i) {
      if (auto scores = network_->run(warm_up_input_); !scores) return scores.status();
      for (const auto& batch : network_->batching().batches) {
        const std::vector<const std::vector<float>*> inputs(batch.pictures, &warm_up_input_);
        if (auto scores = network_->run(inputs); !scores) return scores.status();
      }
    }
    return {};
  }

  Result<std::vector<float>> run(const std::vector<float>& input) const override {
    return network_->run(input);
  }

  Batching batching() const override { return network_->batching(); }
  Result<std::vector<std::vector<float>>> run_together(
      std::span<const std::vector<float>* const> inputs) const override {
    return network_->run(inputs);
  }

 private:
  std::unique_ptr<CompiledNetwork> network_;
  const std::vector<float> warm_up_input_;
};

// Infinite where one is not a number.
float largest_difference(const std::vector<float>& expected, const std::vector<float>& actual) {
  float largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const float difference = std::abs(expected[i] - actual[i]);
    if (!std::isfinite(difference)) return std::numeric_limits<float>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

bool are_probabilities(const std::vector<float>& scores) {
  constexpr float kRounding = 1e-3F;
  const auto possible = [](float score) { return score >= 0; };
  return std::all_of(scores.begin(), scores.end(), possible) &&
         std::abs(std::accumulate(scores.begin(), scores.end(), 0.0F) - 1) < kRounding;
}

std::vector<float> logarithms(const std::vector<float>& probabilities) {
  constexpr float kLeast = 1e-30F;  // less than that is next to what a float can hold
  std::vector<float> logs;
  for (const float p : probabilities) logs.push_back(std::log(std::max(p, kLeast)));
  return logs;
}

Status unsupported(const std::string& what) { return {StatusCode::kUnsupported, what}; }

// Whether this CPU has the instructions; without them the lower precisions are slower, not faster.
Status check_cpu(Precision precision) {
  const CpuArithmetic cpu = detect_cpu_arithmetic();
  if (precision == Precision::kBf16 && !cpu.bf16) {
    return unsupported("precision bf16 needs a CPU with AVX512_BF16; use fp32 on this one");
  }
  if (precision == Precision::kInt8 && !cpu.int8) {
    return unsupported("precision int8 needs a CPU with AVX512_VNNI; use fp32 on this one");
  }
  return {};
}

Result<std::unique_ptr<CompiledNetwork>> compile_at(const Graph& graph, Precision precision,
                                                    const Ranges& ranges,
                                                    const CompiledNetwork::Options& options) {
  const Format reduced = detect_cpu_arithmetic().bf16 ? Format::kReduced : Format::kFloat;
  return CompiledNetwork::compile(graph, choose_formats(graph, precision, reduced, ranges),
                                  options);
}

CompiledNetwork::Options batches(unsigned batch) {
  CompiledNetwork::Options options;
  options.batches = BatchSizes::up_to(batch == 0 ? kMeasuredBatch : batch);
  options.only_if_faster = batch == 0;
  return options;
}

using Values = std::vector<std::vector<float>>;

// Of each probe alone.
Result<Values> scores_alone(const CompiledNetwork& network, const Values& probes) {
  Values all;
  for (const std::vector<float>& probe : probes) {
    auto scores = network.run(probe);
    if (!scores) return scores.status();
    all.push_back(std::move(scores).value());
  }
  return all;
}

// Why batches of so many are not to be trusted; empty: they are.
std::string fault_of_batches(const CompiledNetwork& network, std::size_t size, const Values& probes,
                             const Values& alone) {
  for (std::size_t first = 0; first < probes.size(); first += size) {
    std::vector<const std::vector<float>*> inputs;
    for (std::size_t i = 0; i < size; ++i) inputs.push_back(&probes[(first + i) % probes.size()]);
    const auto together = network.run(inputs);
    if (!together) return together.status().message();
    for (std::size_t i = 0; i < size; ++i) {
      const std::vector<float>& expected = alone[(first + i) % probes.size()];
      if (!same_scores(expected, (*together)[i])) return "other scores together than alone";
    }
  }
  return {};
}

// `alone`: the scores of the probes.
void prove_batches(CompiledNetwork& network, const Values& probes, const Values& alone) {
  for (const auto& [pictures, gain] : network.batching().batches) {
    const std::string fault = fault_of_batches(network, pictures, probes, alone);
    if (fault.empty()) continue;
    spdlog::warn("network_not_batched pictures={} reason=\"{}\"", pictures, fault);
    return network.give_up_batches(pictures, fault);
  }
}

// int8 without ranges, or of a network that has nothing for it, would silently be the next higher
// precision.
Status check_ranges(const Graph& graph, const NetworkOptions& options) {
  if (options.precision != Precision::kInt8) return {};
  const std::string remedy =
      "; make them on photos with `imgrec-model calibrate`, or use bf16 or fp32";
  if (options.ranges.empty()) {
    return unsupported(
        "precision int8 needs the ranges of the model's values, which this model "
        "folder does not have" +
        remedy);
  }
  for (const auto& [name, largest] : options.ranges) {
    const auto known = [&](const Tensor& tensor) { return tensor.name == name; };
    if (std::none_of(graph.tensors.begin(), graph.tensors.end(), known)) {
      return unsupported("the ranges in this model folder are of another version (there is no \"" +
                         name + "\")" + remedy);
    }
  }
  const Formats formats = choose_formats(graph, Precision::kInt8, Format::kFloat, options.ranges);
  if (byte_convolutions(formats) == 0) {
    return unsupported(std::string("precision int8 cannot be had of this network: ") + kWhyNoBytes);
  }
  return {};
}

// The graph is proved on fp32, where only rounding may differ; a lower precision then uses the same
// graph, and its accuracy is a question of photos, which `imgrec-bench inference` answers.
Result<std::unique_ptr<CompiledNetwork>> compile_proved(const ModuleFile& module,
                                                        NetworkShape shape, const Values& probes,
                                                        const NetworkOptions& options,
                                                        const Values& expected) {
  if (Status status = check_cpu(options.precision); !status.ok()) return status;
  Result<Graph> graph = read_torch_graph(module, shape);
  if (!graph) return graph.status();
  simplify(*graph);
  const bool final = options.precision == Precision::kFp32;
  auto network = compile_at(*graph, Precision::kFp32, {}, batches(final ? options.batch : 1));
  if (!network) return network.status();
  auto alone = scores_alone(**network, probes);
  if (!alone) return alone.status();
  for (std::size_t i = 0; i < probes.size(); ++i) {
    if (!same_scores(expected[i], (*alone)[i])) return unsupported("the graph gives other scores");
  }
  if (!final) {
    network->reset();  // the two need not be in memory together
    if (Status status = check_ranges(*graph, options); !status.ok()) return status;
    network = compile_at(*graph, options.precision, options.ranges, batches(options.batch));
    if (!network) return network.status();
    alone = scores_alone(**network, probes);
    if (!alone) return alone.status();
  }
  prove_batches(**network, probes, *alone);
  return network;
}

}  // namespace

Result<std::vector<std::vector<float>>> Network::run_together(
    std::span<const std::vector<float>* const> inputs) const {
  std::vector<std::vector<float>> results;
  for (const std::vector<float>* input : inputs) {
    auto scores = run(*input);
    if (!scores) return scores.status();
    results.push_back(std::move(scores).value());
  }
  return results;
}

std::string_view to_string(NetworkForm form) {
  switch (form) {
    case NetworkForm::kAsSaved:
      return "as saved";
    case NetworkForm::kFrozen:
      return "frozen";
    case NetworkForm::kOptimized:
      return "optimized";
    case NetworkForm::kCompiled:
      return "compiled";
  }
  return "unknown";
}

bool same_scores(const std::vector<float>& expected, const std::vector<float>& actual) {
  float largest = 0;
  for (const float score : expected) largest = std::max(largest, std::abs(score));
  if (!(largest_difference(expected, actual) <= kSameScores * largest)) return false;
  if (!are_probabilities(expected)) return true;
  const std::vector<float> logs = logarithms(expected);
  const auto [low, high] = std::minmax_element(logs.begin(), logs.end());
  return largest_difference(logs, logarithms(actual)) <= kSameScores * std::max(1.0F, *high - *low);
}

Result<LoadedNetwork> load_network(const ModuleFile& module, NetworkShape shape,
                                   const std::vector<std::vector<float>>& probes,
                                   const NetworkOptions& options) {
  auto torch = TorchNetwork::load(module, shape, probes);
  if (!torch) return torch.status();
  const NetworkForm wanted = options.form.value_or(NetworkForm::kCompiled);
  if (wanted == NetworkForm::kCompiled) {
    auto compiled = compile_proved(module, shape, probes, options, (*torch)->expected_scores());
    if (compiled) {
      return LoadedNetwork{
          std::make_unique<CompiledForm>(std::move(compiled).value(), probes.front()),
          NetworkForm::kCompiled};
    }
    const bool needed = options.form || options.precision != Precision::kFp32;
    if (needed) return compiled.status();
    spdlog::warn("network_not_compiled reason=\"{}\"", compiled.status().message());
  } else if (options.precision != Precision::kFp32) {
    return unsupported("only the compiled network has other precisions than fp32");
  }
  (*torch)->optimize(std::min(wanted, NetworkForm::kOptimized));
  const NetworkForm form = (*torch)->form();
  if (options.form && form != wanted) {
    return unsupported("the network cannot be had in the form \"" + std::string(to_string(wanted)) +
                       "\"");
  }
  return LoadedNetwork{std::move(torch).value(), form};
}

}  // namespace imgrec::worker
