// The tensors of the Open Inference Protocol as both halves of inference_protocol know them: names,
// and numbers as bytes.
//
// Thread rule: constants and pure functions. Owns: nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "manager/app/inference_protocol.h"

namespace imgrec::manager {

inline constexpr std::string_view kInputName = "image";

struct TensorName {
  OutputTensor tensor;
  std::string_view name;
};

// In the order of the metadata, and of answers to requests that name none: what a person wants to
// see comes first.
inline constexpr std::array kOutputTensors = {
    TensorName{OutputTensor::kLabel, "label"}, TensorName{OutputTensor::kScore, "score"},
    TensorName{OutputTensor::kIndex, "index"},
    TensorName{OutputTensor::kProbabilities, "probabilities"}};

inline std::optional<OutputTensor> tensor_named(std::string_view name) {
  for (const TensorName& known : kOutputTensors) {
    if (known.name == name) return known.tensor;
  }
  return std::nullopt;
}

inline std::string_view name_of(OutputTensor tensor) {
  for (const TensorName& known : kOutputTensors) {
    if (known.tensor == tensor) return known.name;
  }
  return {};
}

// "'label', 'score', …"
inline std::string tensor_names() {
  std::string names;
  for (const TensorName& known : kOutputTensors) {
    names += (names.empty() ? "'" : ", '") + std::string(known.name) + "'";
  }
  return names;
}

// REQUIRES: at least four bytes.
inline std::uint32_t read_le32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

inline void append_le32(std::string& out, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

}  // namespace imgrec::manager
