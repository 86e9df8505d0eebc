// Any bytes as a model.yaml. What is read is written and read again without a change.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/fuzz/byte_source.h"
#include "worker/inference/model_folder.h"

namespace {

using namespace imgrec;
using namespace imgrec::worker;
using imgrec::fuzz::require;

void check_ranges(const ModelSpec& spec) {
  require(!spec.name.empty() && spec.name.size() <= 100);
  require(spec.input_width >= 1 && spec.input_width <= spec.resize_width);
  require(spec.input_height >= 1 && spec.input_height <= spec.resize_height);
  require(spec.resize_width <= 8192 && spec.resize_height <= 8192);
  for (const double mean : spec.mean) require(std::isfinite(mean));
  for (const double scale : spec.scale) require(std::isfinite(scale) && scale > 0);
  require(spec.unsure_below >= 0 && spec.unsure_below <= 1);
  require(spec.classes >= 1 && spec.classes <= 65535);
  require(spec.model_sha256.size() == 64 && spec.labels_sha256.size() == 64);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto spec = parse_model_spec(text, "model.yaml");
  if (!spec.ok()) {
    require(spec.status().code() == StatusCode::kInvalidArgument);
    require(spec.status().message().rfind("model.yaml", 0) == 0);
    return 0;
  }
  check_ranges(*spec);
  const std::string written = format_model_spec(*spec);
  const auto again = parse_model_spec(written, "model.yaml");
  require(again.ok());
  require(format_model_spec(*again) == written);
  require(again->name == spec->name && again->mean == spec->mean && again->scale == spec->scale);
  require(again->source == spec->source && again->licence == spec->licence);
  return 0;
}
