#include "worker/inference/calibration.h"

#include <algorithm>
#include <utility>

#include "worker/graph/passes.h"
#include "worker/inference/compiled_network.h"
#include "worker/inference/torch_graph.h"
#include "worker/inference/torch_network.h"

namespace imgrec::worker {
namespace {

constexpr std::size_t kOneIn = 10'000;

// The value below which all but one in kOneIn lie. Reorders `values`.
float high_value(std::vector<float>& values) {
  const auto place = values.end() - 1 - static_cast<std::ptrdiff_t>(values.size() / kOneIn);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

}  // namespace

struct Calibration::Impl {
  Graph graph;
  std::unique_ptr<CompiledNetwork> network;
  std::vector<float> smallest;  // by tensor
  std::vector<float> largest;
};

Calibration::Calibration(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Calibration::~Calibration() = default;

Result<std::unique_ptr<Calibration>> Calibration::begin(const ModuleFile& file,
                                                        NetworkShape shape) {
  use_one_thread();
  auto impl = std::make_unique<Impl>();
  Result<Graph> graph = read_torch_graph(file, shape);
  if (!graph) return graph.status();
  impl->graph = std::move(*graph);
  simplify(impl->graph);
  CompiledNetwork::Options options;
  options.keep_tensors = true;
  auto network = CompiledNetwork::compile(
      impl->graph, choose_formats(impl->graph, Precision::kFp32, Format::kFloat, {}), options);
  if (!network) return network.status();
  impl->network = std::move(*network);
  impl->smallest.assign(impl->graph.tensors.size(), 0);
  impl->largest.assign(impl->graph.tensors.size(), 0);
  return std::unique_ptr<Calibration>(new Calibration(std::move(impl)));
}

Status Calibration::observe(const std::vector<float>& input) {
  std::vector<float> copy;
  return impl_->network->observe(
      input, [&](TensorId tensor, const float* values, std::size_t count) {
        copy.assign(values, values + count);
        float& smallest = impl_->smallest[tensor];
        smallest = std::min(smallest, *std::min_element(copy.begin(), copy.end()));
        float& largest = impl_->largest[tensor];
        largest = std::max(largest, high_value(copy));
      });
}

Ranges Calibration::ranges() const {
  Ranges ranges;
  for (const Node& node : impl_->graph.nodes) {
    const TensorId tensor = node.output;
    if (impl_->smallest[tensor] >= 0 && impl_->largest[tensor] > 0) {
      ranges[impl_->graph.tensors[tensor].name] = impl_->largest[tensor];
    }
  }
  return ranges;
}

Calibration::Coverage Calibration::coverage() const {
  const Graph& graph = impl_->graph;
  const auto is_convolution = [](const Node& node) {
    return std::holds_alternative<Convolution>(node.kind);
  };
  return {byte_convolutions(choose_formats(graph, Precision::kInt8, Format::kFloat, ranges())),
          static_cast<std::size_t>(
              std::count_if(graph.nodes.begin(), graph.nodes.end(), is_convolution))};
}

}  // namespace imgrec::worker
