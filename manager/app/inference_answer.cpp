// The writing half of inference_protocol.
#include <algorithm>
#include <bit>
#include <charconv>
#include <iterator>
#include <utility>

#include <nlohmann/json.hpp>

#include "manager/app/inference_protocol.h"
#include "manager/app/inference_tensors.h"
#include "manager/http/http_text.h"

namespace imgrec::manager {
namespace {

using Json = nlohmann::ordered_json;
using Results = std::vector<std::vector<Prediction>>;

// The shortest text that is read as the same number.
void append_number(std::string& out, float value) {
  char text[32];
  out.append(text, std::to_chars(std::begin(text), std::end(text), value).ptr);
}

// One tensor in the making: the same elements as JSON text or as bytes. By hand, as a tree of a
// million numbers would take too long and too much.
class TensorWriter {
 public:
  explicit TensorWriter(bool binary) : binary_(binary) {}

  void add(std::string_view text) {
    if (binary_) {
      append_le32(data_, static_cast<std::uint32_t>(text.size()));
      data_ += text;
    } else {
      separate();
      data_ += json_quote(text);
    }
  }
  void add(float value) {
    if (binary_) return append_le32(data_, std::bit_cast<std::uint32_t>(value));
    separate();
    append_number(data_, value);
  }
  void add(std::int32_t value) {
    if (binary_) return append_le32(data_, static_cast<std::uint32_t>(value));
    separate();
    data_ += std::to_string(value);
  }
  std::string take() { return std::move(data_); }

 private:
  void separate() {
    if (!data_.empty()) data_ += ',';
  }

  const bool binary_;
  std::string data_;
};

std::string shape_text(std::size_t images, std::optional<std::size_t> classes) {
  return "[" + std::to_string(images) + (classes ? "," + std::to_string(*classes) : "") + "]";
}

std::string class_text(const Prediction& p) {
  std::string text;
  append_number(text, p.score);
  return text.append(":").append(std::to_string(p.index)).append(":").append(p.label);
}

void add_best(TensorWriter& out, OutputTensor tensor, const Prediction& best) {
  switch (tensor) {
    case OutputTensor::kLabel:
      return out.add(best.label);
    case OutputTensor::kScore:
      return out.add(best.score);
    case OutputTensor::kIndex:
      return out.add(static_cast<std::int32_t>(best.index));
    case OutputTensor::kProbabilities:
      return;
  }
}

std::string_view datatype_of(const WantedOutput& output) {
  if (output.classification > 0 || output.tensor == OutputTensor::kLabel) return "BYTES";
  return output.tensor == OutputTensor::kIndex ? "INT32" : "FP32";
}

// How many numbers there are for each image; nullopt: one, and no dimension for it.
std::optional<std::size_t> width_of(const WantedOutput& output, const ModelIdentity& model) {
  if (output.classification > 0) return std::min(output.classification, model.classes);
  if (output.tensor == OutputTensor::kProbabilities) return model.classes;
  return std::nullopt;
}

std::string data_of(const WantedOutput& output, const ModelIdentity& model,
                    const Results& results) {
  TensorWriter out(output.binary);
  std::vector<float> row;
  for (const auto& top : results) {
    if (output.classification > 0) {
      const std::size_t count = std::min(output.classification, model.classes);
      for (std::size_t i = 0; i < count; ++i) out.add(class_text(top[i]));
    } else if (output.tensor == OutputTensor::kProbabilities) {
      row.assign(model.classes, 0.0f);
      for (const Prediction& p : top) {
        if (p.index < row.size()) row[p.index] = p.score;
      }
      for (const float score : row) out.add(score);
    } else {
      add_best(out, output.tensor, top.front());
    }
  }
  return out.take();
}

bool names(const InferenceRequest& request, OutputTensor tensor) {
  return std::any_of(request.outputs.begin(), request.outputs.end(),
                     [&](const WantedOutput& output) {
                       return output.tensor == tensor && output.classification == 0;
                     });
}

Json tensor_metadata(std::string_view name, std::string_view datatype, Json shape) {
  return {{"name", name}, {"datatype", datatype}, {"shape", std::move(shape)}};
}

Json duration_json(const InferenceStatistics::Duration& duration) {
  return {{"count", duration.count}, {"ns", duration.time.count()}};
}

}  // namespace

std::variant<std::vector<WantedOutput>, Refusal> outputs_of(const InferenceRequest& request,
                                                            const ModelIdentity& model) {
  const bool all_known = model.classes <= kMaxClasses;
  const std::string too_many = "the model has " + std::to_string(model.classes) +
                               " classes, and an answer holds at most " +
                               std::to_string(kMaxClasses);
  if (!all_known && names(request, OutputTensor::kProbabilities)) {
    return Refusal{400, "bad_inference_request",
                   too_many + ": ask for the best ones with the parameter 'classification'"};
  }
  for (const WantedOutput& output : request.outputs) {
    if (std::min(output.classification, model.classes) > kMaxClasses) {
      return Refusal{400, "bad_inference_request", too_many + ": ask for fewer"};
    }
  }
  if (!request.outputs.empty()) return request.outputs;
  std::vector<WantedOutput> outputs;
  for (const TensorName& known : kOutputTensors) {
    if (known.tensor == OutputTensor::kProbabilities && !all_known) continue;
    outputs.push_back({known.tensor, request.binary_output, 0});
  }
  return outputs;
}

std::size_t classes_needed(const std::vector<WantedOutput>& outputs, const ModelIdentity& model) {
  std::size_t most = 1;
  for (const WantedOutput& output : outputs) {
    most = std::max(most, width_of(output, model).value_or(1));
  }
  return most;
}

InferenceAnswer inference_answer(const InferenceRequest& request,
                                 const std::vector<WantedOutput>& outputs,
                                 const ModelIdentity& model, const Results& results) {
  std::string json = "{\"model_name\":" + json_quote(model.name) +
                     ",\"model_version\":" + json_quote(kModelVersion);
  if (!request.id.empty()) json += ",\"id\":" + json_quote(request.id);
  json += ",\"outputs\":[";
  std::string tail;
  bool binary = false;
  for (const WantedOutput& output : outputs) {
    const std::string data = data_of(output, model, results);
    if (&output != &outputs.front()) json += ',';
    json += "{\"name\":" + json_quote(name_of(output.tensor)) +
            ",\"datatype\":" + json_quote(datatype_of(output)) +
            ",\"shape\":" + shape_text(results.size(), width_of(output, model));
    if (output.binary) {
      json += ",\"parameters\":{\"binary_data_size\":" + std::to_string(data.size()) + "}}";
      tail += data;
      binary = true;
    } else {
      (json += ",\"data\":[").append(data) += "]}";
    }
  }
  json += "]}";
  const std::size_t json_bytes = json.size();
  json += tail;
  return {std::move(json), binary ? std::optional(json_bytes) : std::nullopt};
}

Json server_metadata(std::string_view version) {
  return {{"name", "imgrec"},
          {"version", version},
          {"extensions", Json::array({"binary_tensor_data", "classification", "statistics"})}};
}

Json model_metadata(const ModelIdentity& model, const InferenceLimits& limits) {
  Json outputs = Json::array();
  for (const TensorName& known : kOutputTensors) {
    const bool all = known.tensor == OutputTensor::kProbabilities;
    if (all && model.classes > kMaxClasses) continue;
    const Json shape = all ? Json::array({-1, model.classes}) : Json::array({-1});
    outputs.push_back(tensor_metadata(known.name, datatype_of({known.tensor, false, 0}), shape));
  }
  return {{"name", model.name},
          {"versions", Json::array({kModelVersion})},
          {"platform", "imgrec"},
          {"inputs", Json::array({tensor_metadata(kInputName, "BYTES", Json::array({-1}))})},
          {"outputs", std::move(outputs)},
          {"parameters",
           {{"digest", model.digest},
            {"classes", model.classes},
            {"max_images", limits.max_images},
            {"image",
             "each element is a JPEG, PNG, WebP, BMP or TIFF file; in a JSON tensor its base64 "
             "text"}}}};
}

Json statistics_json(const ModelIdentity& model, const InferenceStatistics::Counts& counts) {
  const auto last =
      std::chrono::duration_cast<std::chrono::milliseconds>(counts.last.time_since_epoch());
  return {{"name", model.name},
          {"version", kModelVersion},
          {"last_inference", last.count()},
          {"inference_count", counts.success.count},
          {"execution_count", counts.success.count},  // workers do not say which were together
          {"inference_stats",
           {{"success", duration_json(counts.success)},
            {"fail", duration_json(counts.fail)},
            {"queue", duration_json(counts.queue)},
            {"compute_input", duration_json(counts.input)},
            {"compute_infer", duration_json(counts.infer)},
            {"compute_output", duration_json(counts.output)}}},
          {"batch_stats", Json::array()}};
}

}  // namespace imgrec::manager
