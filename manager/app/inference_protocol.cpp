// The reading half; inference_answer.cpp has the writing one.
#include "manager/app/inference_protocol.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <nlohmann/json.hpp>

#include "manager/app/base64.h"
#include "manager/app/bounded_json.h"
#include "manager/app/inference_tensors.h"
#include "manager/http/http_text.h"

namespace imgrec::manager {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxDimensions = 8;
constexpr std::size_t kMaxQuoted = 64;  // of a client's name in a sentence of ours
constexpr std::size_t kPrefixBytes = 4;

// What a step found wrong; nullopt: nothing.
using Fault = std::optional<Refusal>;

Refusal bad(std::string detail) { return {400, "bad_inference_request", std::move(detail)}; }

std::string in_quotes(std::string_view name) {
  return "'" + std::string(utf8_prefix(name, kMaxQuoted)) + "'";
}

// The member of that name, or null where there is none, or where it is null.
const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// ---- parameters -------------------------------------------------------------------------------

// Those of one object, looked at by name; what nobody asks for is ignored, as the protocol wants.
class Parameters {
 public:
  // `where`: "the request", for sentences.
  Parameters(const Json& object, std::string where) : where_(std::move(where)) {
    values_ = member(object, "parameters");
    if (values_ != nullptr && !values_->is_object()) {
      fault_ = bad("'parameters' of " + where_ + " must be an object");
      values_ = nullptr;
    }
    if (values_ != nullptr && values_->contains("shared_memory_region")) {
      fault_ =
          bad("shared memory is not supported: send the data of " + where_ + " with the request");
    }
  }

  std::optional<bool> flag(const char* name) {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_boolean()) return value->get<bool>();
    fault_ = bad(the(name) + " must be true or false");
    return std::nullopt;
  }

  std::optional<std::uint64_t> number(const char* name) {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_number_unsigned()) return value->get<std::uint64_t>();
    fault_ = bad(the(name) + " must be a whole number, 0 or more");
    return std::nullopt;
  }

  const Fault& fault() const { return fault_; }

 private:
  const Json* find(const char* name) const {
    return values_ == nullptr ? nullptr : member(*values_, name);
  }
  std::string the(const char* name) const {
    return "the parameter '" + std::string(name) + "' of " + where_;
  }

  const std::string where_;
  const Json* values_ = nullptr;
  Fault fault_;
};

// ---- the input --------------------------------------------------------------------------------

class RequestReader {
 public:
  // `tail`: what follows the JSON in the body.
  RequestReader(std::string_view tail, bool tail_allowed, const InferenceLimits& limits)
      : tail_(tail), tail_allowed_(tail_allowed), limits_(limits) {}

  std::variant<InferenceRequest, Refusal> read(const Json& json) {
    if (!json.is_object()) return bad("the request must be a JSON object");
    if (Fault why = read_request(json)) return *std::move(why);
    if (Fault why = read_inputs(json)) return *std::move(why);
    if (Fault why = read_outputs(json)) return *std::move(why);
    return std::move(request_);
  }

 private:
  Fault read_request(const Json& json);
  Fault read_inputs(const Json& json);
  Fault read_input(const Json& input);
  Fault read_shape(const Json& input, std::size_t& elements) const;
  Fault read_texts(const Json& data);
  Fault read_binary(std::size_t elements, std::uint64_t size);
  Fault read_outputs(const Json& json);
  Fault read_output(const Json& json);

  const std::string_view tail_;
  const bool tail_allowed_;
  const InferenceLimits limits_;
  InferenceRequest request_;
};

Fault RequestReader::read_request(const Json& json) {
  if (const Json* id = member(json, "id")) {
    if (!id->is_string()) return bad("'id' must be a string");
    request_.id = id->get<std::string>();
    if (request_.id.size() > limits_.max_id_bytes) {
      return bad("'id' has more than " + std::to_string(limits_.max_id_bytes) + " bytes");
    }
  }
  Parameters parameters(json, "the request");
  request_.binary_output = parameters.flag("binary_data_output").value_or(false);
  const auto timeout = parameters.number("timeout");
  if (parameters.fault()) return parameters.fault();
  constexpr std::uint64_t kLongest = 1ull << 50;  // microseconds: no sum overflows
  if (timeout && *timeout > 0) {                  // 0: none, as the parameter's default
    request_.timeout = std::chrono::microseconds(std::min(*timeout, kLongest));
  }
  return std::nullopt;
}

Fault RequestReader::read_inputs(const Json& json) {
  const Json* inputs = member(json, "inputs");
  if (inputs == nullptr || !inputs->is_array() || inputs->size() != 1) {
    return bad("'inputs' must be an array of one input, '" + std::string(kInputName) + "'");
  }
  return read_input(inputs->front());
}

Fault RequestReader::read_input(const Json& input) {
  if (!input.is_object()) return bad("an input must be an object");
  const Json* name = member(input, "name");
  if (name == nullptr || !name->is_string()) return bad("the input has no name");
  if (name->get_ref<const std::string&>() != kInputName) {
    return bad("there is no input " + in_quotes(name->get_ref<const std::string&>()) +
               "; the model's only one is '" + std::string(kInputName) + "'");
  }
  const Json* datatype = member(input, "datatype");
  if (datatype == nullptr || *datatype != "BYTES") {
    return bad("the input's datatype must be BYTES: each element is an encoded picture");
  }
  std::size_t elements = 0;
  if (Fault why = read_shape(input, elements)) return why;
  Parameters parameters(input, "the input");
  const auto binary_size = parameters.number("binary_data_size");
  if (parameters.fault()) return parameters.fault();
  const Json* data = member(input, "data");
  if (binary_size && data != nullptr) return bad("the input has both data and binary_data_size");
  if (binary_size) return read_binary(elements, *binary_size);
  if (data == nullptr) return bad("the input has neither data nor binary_data_size");
  if (!tail_.empty()) {
    return bad("the body has " + std::to_string(tail_.size()) +
               " bytes behind its JSON, but no input has binary_data_size");
  }
  if (Fault why = read_texts(*data)) return why;
  if (request_.images.size() == elements) return std::nullopt;
  return bad("the input's shape is of " + std::to_string(elements) + " elements, its data has " +
             std::to_string(request_.images.size()));
}

Fault RequestReader::read_shape(const Json& input, std::size_t& elements) const {
  const Json* shape = member(input, "shape");
  if (shape == nullptr || !shape->is_array() || shape->empty() || shape->size() > kMaxDimensions) {
    return bad("the input's shape must be an array: [N] for N pictures");
  }
  for (std::size_t i = 0; i < shape->size(); ++i) {
    const Json& dimension = (*shape)[i];
    if (!dimension.is_number_unsigned()) return bad("the input's shape must be of whole numbers");
    const auto size = dimension.get<std::uint64_t>();
    if (i > 0 && size != 1) return bad("the input's shape must be [N] or [N,1]");
    if (i > 0) continue;
    if (size == 0) return bad("the input's shape says that there is no picture");
    if (size > limits_.max_images) {
      return Refusal{413, "too_many_images",
                     "one request takes at most " + std::to_string(limits_.max_images) +
                         " pictures: send the rest in another one"};
    }
    elements = static_cast<std::size_t>(size);
  }
  return std::nullopt;
}

// Flat or nested, as the protocol allows.
Fault RequestReader::read_texts(const Json& data) {
  if (data.is_array()) {
    for (const Json& element : data) {
      if (Fault why = read_texts(element)) return why;
    }
    return std::nullopt;
  }
  if (!data.is_string()) return bad("the input's data must be an array of base64 texts");
  if (request_.images.size() >= limits_.max_images) {
    return bad("the input's data has more elements than its shape says");
  }
  auto bytes = decode_base64(data.get_ref<const std::string&>());
  if (!bytes) {
    return bad("element " + std::to_string(request_.images.size()) +
               " of the input is no base64: in JSON, a picture is base64 text; without, send it "
               "as binary data");
  }
  request_.images.push_back(*std::move(bytes));
  return std::nullopt;
}

// Each element behind its length, four bytes, little-endian.
Fault RequestReader::read_binary(std::size_t elements, std::uint64_t size) {
  if (!tail_allowed_) {
    return bad(
        "binary_data_size needs the header Inference-Header-Content-Length: the length of "
        "the JSON, which the data follows");
  }
  if (size != tail_.size()) {
    return bad("binary_data_size is " + std::to_string(size) + ", but " +
               std::to_string(tail_.size()) + " bytes follow the JSON");
  }
  std::string_view rest = tail_;
  for (std::size_t i = 0; i < elements; ++i) {
    const std::string where = "element " + std::to_string(i) + " of the input";
    if (rest.size() < kPrefixBytes) {
      return bad(where + " is not there: the binary data ends before its length, which is 4 bytes");
    }
    const std::uint32_t length = read_le32(rest);
    rest.remove_prefix(kPrefixBytes);
    if (length > rest.size()) {
      return bad(where + " says it has " + std::to_string(length) + " bytes, but " +
                 std::to_string(rest.size()) + " are left");
    }
    request_.images.emplace_back(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  if (rest.empty()) return std::nullopt;
  return bad(std::to_string(rest.size()) + " bytes are left behind the input's " +
             std::to_string(elements) + " elements");
}

// ---- the outputs ------------------------------------------------------------------------------

Fault RequestReader::read_outputs(const Json& json) {
  const Json* outputs = member(json, "outputs");
  if (outputs == nullptr) return std::nullopt;
  if (!outputs->is_array()) return bad("'outputs' must be an array");
  for (const Json& output : *outputs) {
    if (Fault why = read_output(output)) return why;
  }
  return std::nullopt;
}

Fault RequestReader::read_output(const Json& json) {
  if (!json.is_object()) return bad("an output must be an object");
  const Json* name = member(json, "name");
  if (name == nullptr || !name->is_string()) return bad("an output has no name");
  const auto& text = name->get_ref<const std::string&>();
  const auto tensor = tensor_named(text);
  if (!tensor) {
    return bad("there is no output " + in_quotes(text) + "; the model's are " + tensor_names());
  }
  for (const WantedOutput& other : request_.outputs) {
    if (other.tensor == *tensor) return bad("the output " + in_quotes(text) + " is named twice");
  }
  Parameters parameters(json, "the output " + in_quotes(text));
  WantedOutput output{*tensor, request_.binary_output, 0};
  output.binary = parameters.flag("binary_data").value_or(output.binary);
  const auto classes = parameters.number("classification").value_or(0);
  if (parameters.fault()) return parameters.fault();
  // What is more than any model has means all of its classes.
  output.classification = static_cast<std::size_t>(std::min<std::uint64_t>(classes, UINT32_MAX));
  request_.outputs.push_back(output);
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> json_length(std::size_t body_bytes,
                                       std::optional<std::string_view> header_length) {
  if (!header_length) return body_bytes;
  const auto length = whole_number(*header_length);
  if (!length || *length > body_bytes) return std::nullopt;
  return static_cast<std::size_t>(*length);
}

std::variant<InferenceRequest, Refusal> read_inference(
    std::string body, std::optional<std::string_view> header_length,
    const InferenceLimits& limits) {
  const auto json_bytes = json_length(body.size(), header_length);
  if (!json_bytes) {
    return bad(
        "Inference-Header-Content-Length must be the length of the JSON, at most that of the "
        "body, which is " +
        std::to_string(body.size()));
  }
  if (header_length && *json_bytes == 0) {  // no JSON: the whole body is the one element
    InferenceRequest request;
    request.images.push_back(std::move(body));
    return request;
  }
  const std::string_view whole(body);
  const auto json = parse_bounded_json(whole.substr(0, *json_bytes), {});
  if (!json.ok()) {
    const bool no_json = json.status().code() == StatusCode::kInvalidArgument && !header_length;
    return bad(
        json.status().message() +
        (no_json ? "; to send a picture as it is, add Inference-Header-Content-Length: 0" : ""));
  }
  return RequestReader(whole.substr(*json_bytes), header_length.has_value(), limits).read(*json);
}

}  // namespace imgrec::manager
