// Any bytes as an inference request of the Open Inference Protocol, and the answer to what is
// taken. Input: the value of Inference-Header-Content-Length up to the first line feed ("-": none;
// "|": the length of what stands before the first '|', which is not part of the body), then the
// body.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "manager/app/base64.h"
#include "manager/app/inference_protocol.h"
#include "manager/app/inference_tensors.h"
#include "manager/http/http_text.h"
#include "tests/fuzz/byte_source.h"

namespace {

using namespace imgrec;
using namespace imgrec::manager;
using imgrec::fuzz::require;
using Json = nlohmann::json;

constexpr InferenceLimits kLimits{};

// Written plainly: three bytes, four digits.
std::string encode_base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= count ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

void check_request(const InferenceRequest& request, std::size_t body_size) {
  require(!request.images.empty() && request.images.size() <= kLimits.max_images);
  std::size_t bytes = 0;
  for (const std::string& image : request.images) bytes += image.size();
  require(bytes <= body_size);
  require(request.id.size() <= kLimits.max_id_bytes && is_valid_utf8(request.id));
  require(!request.timeout || request.timeout->count() > 0);
  require(request.outputs.size() <= kOutputTensors.size());
}

Json parameters_of(const WantedOutput& output) {
  Json parameters{{"binary_data", output.binary}};
  if (output.classification > 0) parameters["classification"] = output.classification;
  return parameters;
}

void require_same(const InferenceRequest& a, const InferenceRequest& b) {
  require(a.id == b.id && a.images == b.images && a.binary_output == b.binary_output);
  require(a.timeout == b.timeout && a.outputs.size() == b.outputs.size());
  for (std::size_t i = 0; i < a.outputs.size(); ++i) {
    require(a.outputs[i].tensor == b.outputs[i].tensor);
    require(a.outputs[i].binary == b.outputs[i].binary);
    require(a.outputs[i].classification == b.outputs[i].classification);
  }
}

// Written again as a client would, in either way, it is read as before.
void check_round_trip(const InferenceRequest& request) {
  Json json{{"id", request.id}, {"parameters", {{"binary_data_output", request.binary_output}}}};
  if (request.timeout) json["parameters"]["timeout"] = request.timeout->count();
  for (const WantedOutput& output : request.outputs) {
    json["outputs"].push_back(
        {{"name", name_of(output.tensor)}, {"parameters", parameters_of(output)}});
  }
  Json input{{"name", kInputName}, {"datatype", "BYTES"}, {"shape", {request.images.size()}}};
  Json as_text = input;
  std::string tail;
  for (const std::string& image : request.images) {
    as_text["data"].push_back(encode_base64(image));
    append_le32(tail, static_cast<std::uint32_t>(image.size()));
    tail += image;
  }
  json["inputs"] = Json::array({as_text});
  const auto text = read_inference(json.dump(), std::nullopt);
  require(std::holds_alternative<InferenceRequest>(text));
  require_same(request, std::get<InferenceRequest>(text));

  input["parameters"]["binary_data_size"] = tail.size();
  json["inputs"] = Json::array({input});
  const std::string head = json.dump();
  const auto binary = read_inference(head + tail, std::to_string(head.size()));
  require(std::holds_alternative<InferenceRequest>(binary));
  require_same(request, std::get<InferenceRequest>(binary));
}

// Classes, best first, whose labels are the request's own bytes.
std::vector<std::vector<Prediction>> results_of(const InferenceRequest& request,
                                                std::size_t classes) {
  std::vector<std::vector<Prediction>> results;
  for (const std::string& image : request.images) {
    std::vector<Prediction> top;
    for (std::size_t i = 0; i < classes; ++i) {
      const auto rank = static_cast<std::uint32_t>(i);
      top.push_back({rank, image.substr(0, 40), 1.0f / static_cast<float>(rank + 1)});
    }
    results.push_back(std::move(top));
  }
  return results;
}

std::size_t elements_of(const Json& shape) {
  std::size_t elements = 1;
  for (const Json& dimension : shape) elements *= dimension.get<std::size_t>();
  return elements;
}

// One tensor: its data, or as many bytes of `tail` as it says, have its shape.
void check_tensor(const Json& tensor, std::string_view& tail) {
  const std::size_t elements = elements_of(tensor["shape"]);
  if (tensor.contains("data")) return require(tensor["data"].size() == elements);
  const auto size = tensor["parameters"]["binary_data_size"].get<std::size_t>();
  require(size <= tail.size());
  std::string_view data = tail.substr(0, size);
  tail.remove_prefix(size);
  for (std::size_t i = 0; i < elements; ++i) {
    require(data.size() >= 4);
    const std::size_t length = tensor["datatype"] == "BYTES" ? read_le32(data) : 0;
    data.remove_prefix(4);
    require(length <= data.size());
    data.remove_prefix(length);
  }
  require(data.empty());
}

void check_answer(const InferenceRequest& request, const ModelIdentity& model) {
  const auto outputs = outputs_of(request, model);
  if (const auto* why = std::get_if<Refusal>(&outputs)) {
    return require(why->status == 400 && model.classes > kMaxClasses);
  }
  const auto& wanted = std::get<0>(outputs);
  const std::size_t classes = classes_needed(wanted, model);
  require(classes >= 1 && classes <= std::min(model.classes, kMaxClasses));
  const auto answer = inference_answer(request, wanted, model, results_of(request, classes));
  const std::string_view body(answer.body);
  const Json json = Json::parse(body.substr(0, answer.json_bytes.value_or(body.size())), nullptr,
                                /*allow_exceptions=*/false);
  require(json.is_object() && json["outputs"].size() == wanted.size());
  if (!request.id.empty()) require(json["id"] == request.id);
  std::string_view tail = body.substr(answer.json_bytes.value_or(body.size()));
  for (const Json& tensor : json["outputs"]) check_tensor(tensor, tail);
  require(tail.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto line_end = std::min(input.find('\n'), size);
  std::string length(input.substr(0, line_end));
  std::string body(input.substr(std::min(line_end + 1, size)));
  std::optional<std::string_view> header = length;
  if (length == "-") header.reset();
  if (length == "|") {
    const auto bar = std::min(body.find('|'), body.size());
    length = std::to_string(bar);
    header = length;
    if (bar < body.size()) body.erase(bar, 1);
  }
  const std::size_t body_size = body.size();
  const auto read = read_inference(std::move(body), header);
  if (const auto* why = std::get_if<Refusal>(&read)) {
    require(why->status == 400 || why->status == 413);
    require(!why->detail.empty() && why->detail.size() < 400 && is_valid_utf8(why->detail));
    return 0;
  }
  const auto& request = std::get<InferenceRequest>(read);
  check_request(request, body_size);
  check_round_trip(request);
  for (const std::size_t classes : {1, 3, 1000, 1001}) {
    if (classes > 3 && request.images.size() > 1) continue;  // slow, and nothing new
    check_answer(request, {"m \"\xff", "d", classes});
  }
  return 0;
}
