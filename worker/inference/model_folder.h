// A model folder: model.pt (TorchScript), labels.txt (one class a line, in output order),
// model.yaml, which says how pictures become the network's input, and perhaps ranges.tsv, which
// int8 needs. models/README.md documents it.
//
// Thread rule: pure functions over files; plain values.
// Owns: nothing.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "proto/status.h"
#include "worker/graph/formats.h"
#include "worker/inference/module_file.h"

namespace imgrec::worker {

enum class ResizeFilter { kBilinear, kArea };
enum class ChannelOrder { kBgr, kRgb };
enum class OutputKind { kProbabilities, kLogits };

// model.yaml, format 1.
struct ModelSpec {
  std::string name;
  unsigned input_width = 0;  // pixels, after the crop
  unsigned input_height = 0;
  unsigned resize_width = 0;  // the whole picture is squashed to this, whatever its proportions
  unsigned resize_height = 0;
  ResizeFilter filter = ResizeFilter::kBilinear;
  ChannelOrder channels = ChannelOrder::kBgr;
  std::array<double, 3> mean{};          // subtracted from 0…255, in the order of `channels`
  std::array<double, 3> scale{1, 1, 1};  // multiplied after that, in the same order
  OutputKind outputs = OutputKind::kProbabilities;
  double unsure_below = 0;  // best score under which the answer is "not sure"; 0: never
  unsigned classes = 0;
  std::string source;   // where the weights come from
  std::string licence;  // on what terms
  std::string model_sha256;
  std::string labels_sha256;
  std::string ranges_sha256;  // empty: the folder has no ranges.tsv
};

struct ModelFolder {
  ModuleFile module;
  ModelSpec spec;
  std::vector<std::string> labels;
  Ranges ranges;       // of calibrate_model(); empty: not calibrated, int8 cannot be had
  std::string digest;  // SHA-256 of model.yaml: names the model, as that file names the others
};

constexpr const char* kModuleFile = "model.pt";
constexpr const char* kLabelsFile = "labels.txt";
constexpr const char* kSpecFile = "model.yaml";
constexpr const char* kRangesFile = "ranges.tsv";

// Reads and checks a folder: unknown, missing and duplicate keys, wrong types, values out of range
// (all naming file, line and key), the SHA-256 sums, and the number of labels. All files are of one
// folder, also where `directory` is a link that is changed meanwhile, and each is read once.
Result<ModelFolder> load_model_folder(const std::filesystem::path& directory);

// The text of a model.yaml alone; `file` is its name in messages.
Result<ModelSpec> parse_model_spec(const std::string& text, const std::string& file);

// A model.yaml that parse_model_spec reads back to the same values.
std::string format_model_spec(const ModelSpec& spec);

// labels.txt: 1 to 65,535 lines, none empty, each at most 1,024 bytes of UTF-8 text without control
// characters.
Result<std::vector<std::string>> read_labels(const std::filesystem::path& file);

// ranges.tsv: lines of a tensor's name, a tab, and the largest value it takes; sorted by name.
Result<Ranges> parse_ranges(const std::string& text, const std::string& file);
std::string format_ranges(const Ranges& ranges);

// 64 lower-case hex digits.
std::string sha256_hex(std::string_view bytes);
Result<std::string> sha256_hex_of_file(const std::filesystem::path& file);

}  // namespace imgrec::worker
