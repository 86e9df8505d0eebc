#include "worker/inference/torch_engine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>
#include <spdlog/spdlog.h>

#include "worker/inference/image_decoder.h"
#include "worker/inference/model_folder.h"
#include "worker/inference/preprocess.h"
#include "worker/inference/probe_inputs.h"

namespace imgrec::worker {
namespace {

struct TorchImage : PreparedImage {
  std::vector<float> input;
};

EngineFailure failure(proto::FailCode code, bool retriable, std::string text) {
  return {code, retriable, std::move(text)};
}

void softmax(std::vector<float>& scores) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (float& score : scores) {
    score = std::exp(score - largest);
    sum += static_cast<double>(score);
  }
  for (float& score : scores) score = static_cast<float>(static_cast<double>(score) / sum);
}

// Best first; of equal scores the lower class.
std::vector<proto::ScoredClass> best(const std::vector<float>& scores, unsigned top_k) {
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0U);
  const std::size_t count = std::min<std::size_t>(top_k, order.size());
  const auto better = [&](std::uint32_t a, std::uint32_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    better);
  std::vector<proto::ScoredClass> top;
  for (std::size_t i = 0; i < count; ++i) top.push_back({order[i], scores[order[i]]});
  return top;
}

}  // namespace

struct TorchEngine::Impl {
  ModelSpec spec;
  ModelDescription description;
  ImageDecoder decoder;
  LoadedNetwork loaded;

  InferResult classes(std::vector<float>& scores, unsigned top_k) const {
    const auto finite = [](float score) { return std::isfinite(score); };
    if (!std::all_of(scores.begin(), scores.end(), finite)) {
      return failure(proto::FailCode::kInference, false,
                     "the network's scores for it are no numbers");
    }
    if (spec.outputs == OutputKind::kLogits) softmax(scores);
    return best(scores, top_k);
  }
};

TorchEngine::TorchEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TorchEngine::~TorchEngine() = default;

Result<std::unique_ptr<Engine>> TorchEngine::open(TorchEngineOptions options) {
  const auto start = std::chrono::steady_clock::now();
  Result<ModelFolder> folder = load_model_folder(options.model_dir);
  if (!folder) return folder.status();
  const ModelSpec& spec = folder->spec;
  auto network = load_network(folder->module, {spec.input_width, spec.input_height, spec.classes},
                              probe_inputs(spec),
                              {options.form, options.precision, folder->ranges, options.batch});
  if (!network) return network.status();

  ModelDescription description{spec.name, std::move(folder->digest), std::move(folder->labels),
                               static_cast<float>(spec.unsure_below)};
  std::unique_ptr<Impl> impl(new Impl{std::move(folder->spec), std::move(description),
                                      ImageDecoder(options.max_pixels),
                                      std::move(network).value()});
  const auto elapsed = std::chrono::steady_clock::now() - start;
  const Batching batching = impl->loaded.network->batching();
  spdlog::info(
      "model_loaded name={} digest={} classes={} form=\"{}\" precision={} batch={} "
      "batch_gain={:.3f} no_more=\"{}\" load_ms={}",
      impl->description.name, impl->description.digest.substr(0, 12),
      impl->description.labels.size(), to_string(impl->loaded.form), to_string(options.precision),
      batching.sizes().largest(), batching.gain(), batching.why_no_more,
      std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count());
  return std::unique_ptr<Engine>(new TorchEngine(std::move(impl)));
}

const ModelDescription& TorchEngine::model() const { return impl_->description; }

NetworkForm TorchEngine::form() const { return impl_->loaded.form; }

Status TorchEngine::warm_up_this_thread() { return impl_->loaded.network->prepare_thread(); }

EngineResult<std::unique_ptr<PreparedImage>> TorchEngine::prepare(std::string_view image) {
  EngineResult<Picture> picture = impl_->decoder.decode(image, shrinking_for(impl_->spec));
  if (auto* failed = std::get_if<EngineFailure>(&picture)) return std::move(*failed);
  try {
    auto prepared = std::make_unique<TorchImage>();
    prepared->input = preprocess(std::get<Picture>(picture), impl_->spec);
    return std::unique_ptr<PreparedImage>(std::move(prepared));
  } catch (const std::exception& error) {
    return failure(proto::FailCode::kInternal, true,
                   std::string("the picture cannot be resized: ") + error.what());
  }
}

BatchSizes TorchEngine::batches() const { return batching().sizes(); }

Batching TorchEngine::batching() const { return impl_->loaded.network->batching(); }

std::vector<InferResult> TorchEngine::infer(std::span<const PreparedImage* const> images,
                                            unsigned top_k) {
  using proto::FailCode;
  const auto all_fail = [&](const EngineFailure& why) {
    return std::vector<InferResult>(images.size(), why);
  };
  std::vector<const std::vector<float>*> inputs;
  for (const PreparedImage* image : images) {
    const auto* prepared = dynamic_cast<const TorchImage*>(image);
    if (prepared == nullptr) {
      return all_fail(
          failure(FailCode::kInternal, false, "the picture was prepared by another engine"));
    }
    inputs.push_back(&prepared->input);
  }
  auto scores = impl_->loaded.network->run_together(inputs);
  if (!scores) return all_fail(failure(FailCode::kInference, true, scores.status().message()));
  std::vector<InferResult> results;
  for (std::vector<float>& each : *scores) results.push_back(impl_->classes(each, top_k));
  return results;
}

}  // namespace imgrec::worker
