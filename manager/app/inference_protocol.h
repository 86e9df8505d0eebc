// The Open Inference Protocol, version 2, over REST, with the extensions binary_tensor_data,
// classification and statistics: from a request's body to images and wishes, and from results to an
// answer's body. docs/inference-protocol.md is what clients are told of it.
//
// The model takes one input, `image`: BYTES of shape [N] (or [N,1]), an encoded picture in each
// element; base64 text where the tensor is JSON. It gives
//   label          BYTES [N]          the best class's line of labels.txt
//   score          FP32  [N]          its probability
//   index          INT32 [N]          its number
//   probabilities  FP32  [N,classes]  of all classes, where a worker's answer holds them all
// and, for any of these, with the parameter `classification`: BYTES [N,min(k,classes)], each
// "score:index:label", best first.
//
// Thread rule: pure functions and plain values. Owns: what it returns.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "manager/app/inference_statistics.h"
#include "manager/core/image_record.h"
#include "manager/core/worker_registry.h"
#include "manager/http/request_head.h"

namespace imgrec::manager {

// A cluster serves one model at a time and tells models apart by their digests; the protocol wants
// versions, which clients send back to us as whole numbers. So there is one, and it is the first.
inline constexpr std::string_view kModelVersion = "1";

// The most classes of one answer of a worker (proto's kMaxTop).
inline constexpr std::size_t kMaxClasses = 1000;

struct InferenceLimits {
  std::size_t max_images = 128;  // of one request
  std::size_t max_id_bytes = 1024;
};

enum class OutputTensor { kLabel, kScore, kIndex, kProbabilities };

struct WantedOutput {
  OutputTensor tensor = OutputTensor::kLabel;
  bool binary = false;
  std::size_t classification = 0;  // 0: the tensor itself
};

struct InferenceRequest {
  std::string id;                     // the client's; "" where there is none
  std::vector<std::string> images;    // at least one
  std::vector<WantedOutput> outputs;  // as named; empty: all that the model has
  bool binary_output = false;         // of outputs that are not named
  std::optional<std::chrono::microseconds> timeout;
};

// How much of a body is JSON, by the value of Inference-Header-Content-Length (nullopt: the request
// has none, and is all JSON); nullopt where that cannot be.
std::optional<std::size_t> json_length(std::size_t body_bytes,
                                       std::optional<std::string_view> header_length);

// Takes the body. JSON is read slowly, tens of milliseconds a MiB; what follows it is copied only.
std::variant<InferenceRequest, Refusal> read_inference(
    std::string body, std::optional<std::string_view> header_length,
    const InferenceLimits& limits = {});

// The outputs of this request to this model, in the order of the answer; a refusal where the model
// cannot give one.
std::variant<std::vector<WantedOutput>, Refusal> outputs_of(const InferenceRequest& request,
                                                            const ModelIdentity& model);

// How many classes of each image these outputs are made of, at least one.
std::size_t classes_needed(const std::vector<WantedOutput>& outputs, const ModelIdentity& model);

struct InferenceAnswer {
  std::string body;
  std::optional<std::size_t> json_bytes;  // of the body, where tensors follow the JSON
};

// REQUIRES: each of `results` has classes_needed() predictions, best first.
InferenceAnswer inference_answer(const InferenceRequest& request,
                                 const std::vector<WantedOutput>& outputs,
                                 const ModelIdentity& model,
                                 const std::vector<std::vector<Prediction>>& results);

nlohmann::ordered_json server_metadata(std::string_view version);
nlohmann::ordered_json model_metadata(const ModelIdentity& model,
                                      const InferenceLimits& limits = {});
nlohmann::ordered_json statistics_json(const ModelIdentity& model,
                                       const InferenceStatistics::Counts& counts);

}  // namespace imgrec::manager
