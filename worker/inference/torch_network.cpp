#include "worker/inference/torch_network.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/spdlog.h>
#include <torch/script.h>

#include "worker/inference/torch_module.h"

namespace imgrec::worker {
namespace {

// Measured: the first run in a new thread takes twice as long, the second as long as any later one.
constexpr int kWarmUpRuns = 3;

// run() for any module; throws what Torch throws.
std::vector<float> run_module(torch::jit::Module& module, const std::vector<float>& input,
                              const NetworkShape& shape) {
  const c10::InferenceMode inference;
  // A copy: a module may change what it is given.
  const at::Tensor x = torch::from_blob(const_cast<float*>(input.data()),
                                        {1, 3, shape.height, shape.width}, at::kFloat)
                           .clone();
  const at::Tensor y = module.forward({x}).toTensor().to(at::kFloat).contiguous();
  if (y.dim() != 2 || y.size(0) != 1 || y.size(1) != shape.classes) {
    std::string sizes;
    for (const std::int64_t size : y.sizes())
      sizes += (sizes.empty() ? "" : "x") + std::to_string(size);
    throw std::runtime_error("it gives " + sizes + " scores, not the 1x" +
                             std::to_string(shape.classes) + " that model.yaml's classes need");
  }
  const float* scores = y.data_ptr<float>();
  return {scores, scores + shape.classes};
}

}  // namespace

void use_one_thread() {
  static std::once_flag once;
  std::call_once(once, [] {
    try {
      at::set_num_interop_threads(1);
    } catch (const std::exception&) {
      // Only possible before the first parallel work; whoever did that has chosen already.
    }
  });
  at::set_num_threads(1);  // per thread
}

struct TorchNetwork::Impl {
  // forward() is not const in Torch's interface, but a module's threads share nothing that changes
  // except the executor's plans, which it locks.
  mutable torch::jit::Module module;
  NetworkShape shape;
  NetworkForm form = NetworkForm::kAsSaved;

  std::vector<std::vector<float>> probes;
  std::vector<std::vector<float>> expected;  // what the module as saved gives for them

  // Takes `candidate` where it gives the scores of the module as saved, also in later runs, which
  // execute differently from the first.
  bool take_if_same(torch::jit::Module candidate, NetworkForm candidate_form) {
    for (int run = 0; run < 3; ++run) {
      for (std::size_t i = 0; i < probes.size(); ++i) {
        if (!same_scores(expected[i], run_module(candidate, probes[i], shape))) return false;
      }
    }
    module = std::move(candidate);
    form = candidate_form;
    return true;
  }

  // optimize_for_inference has known faults on odd graphs, hence the comparison and the fall-back.
  void choose_form(NetworkForm limit) {
    torch::jit::Module saved = module;
    try {
      torch::jit::Module frozen = torch::jit::freeze(saved);
      if (limit == NetworkForm::kFrozen) {
        if (take_if_same(frozen, NetworkForm::kFrozen)) return;
      } else if (take_if_same(torch::jit::optimize_for_inference(frozen),
                              NetworkForm::kOptimized)) {
        return;
      }
      spdlog::warn("network_not_optimized reason=\"the optimised module gives other scores\"");
    } catch (const std::exception& error) {
      spdlog::warn("network_not_optimized reason=\"{}\"", message_of(error));
    }
    if (limit == NetworkForm::kFrozen) return;
    try {
      // Once more from the saved module: optimize_for_inference changes what it is given.
      if (take_if_same(torch::jit::freeze(saved), NetworkForm::kFrozen)) return;
      spdlog::warn("network_not_frozen reason=\"the frozen module gives other scores\"");
    } catch (const std::exception& error) {
      spdlog::warn("network_not_frozen reason=\"{}\"", message_of(error));
    }
  }
};

TorchNetwork::TorchNetwork(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TorchNetwork::~TorchNetwork() = default;

Result<std::unique_ptr<TorchNetwork>> TorchNetwork::load(const ModuleFile& file, NetworkShape shape,
                                                         std::vector<std::vector<float>> probes) {
  use_one_thread();
  try {
    auto impl = std::make_unique<Impl>();
    impl->shape = shape;
    impl->module = load_module(file);
    impl->probes = std::move(probes);
    for (const std::vector<float>& input : impl->probes) {
      impl->expected.push_back(run_module(impl->module, input, shape));
      const std::vector<float>& scores = impl->expected.back();
      const auto finite = [](float score) { return std::isfinite(score); };
      if (!std::all_of(scores.begin(), scores.end(), finite)) {
        return Status(StatusCode::kDataLoss,
                      file.path.string() + " gives scores that are no numbers");
      }
    }
    return std::unique_ptr<TorchNetwork>(new TorchNetwork(std::move(impl)));
  } catch (const std::exception& error) {
    return Status(StatusCode::kDataLoss,
                  "cannot use " + file.path.string() + ": " + message_of(error));
  }
}

void TorchNetwork::optimize(NetworkForm limit) {
  if (limit != NetworkForm::kAsSaved) impl_->choose_form(limit);
}

const std::vector<std::vector<float>>& TorchNetwork::expected_scores() const {
  return impl_->expected;
}

Status TorchNetwork::prepare_thread() {
  use_one_thread();
  const std::vector<float>& input = impl_->probes.front();
  for (int i = 0; i < kWarmUpRuns; ++i) {
    if (Result<std::vector<float>> scores = run(input); !scores) return scores.status();
  }
  return {};
}

Result<std::vector<float>> TorchNetwork::run(const std::vector<float>& input) const {
  if (input.size() != impl_->shape.input_values()) {
    return Status(StatusCode::kInternal, "the network's input has " + std::to_string(input.size()) +
                                             " values, not " +
                                             std::to_string(impl_->shape.input_values()));
  }
  try {
    return run_module(impl_->module, input, impl_->shape);
  } catch (const std::exception& error) {
    return Status(StatusCode::kInternal, "the network failed: " + message_of(error));
  }
}

NetworkForm TorchNetwork::form() const { return impl_->form; }

}  // namespace imgrec::worker
