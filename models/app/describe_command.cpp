#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <tuple>

#include "models/app/arguments.h"
#include "models/app/commands.h"
#include "worker/inference/model_folder.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::models {

const std::string_view kDescribeHelp =
    "Usage: imgrec-model describe DIR [options]\n"
    "\n"
    "Makes a model folder of a directory that holds model.pt, a TorchScript classifier, and\n"
    "labels.txt: writes model.yaml with their sums, and checks that the model runs. What is not\n"
    "said is as torchvision's ImageNet classifiers want it.\n"
    "\n"
    "  --name NAME        the model's name, shown to people (default: that of DIR)\n"
    "  --input WxH        pixels that the network sees (default: 224x224)\n"
    "  --resize WxH       squash pictures to this before the crop (default: 8/7 of the input,\n"
    "                     which is 256x256 for 224x224)\n"
    "  --filter F         area averages all pixels, bilinear does not (default: area)\n"
    "  --mean A,B,C       subtract this from each channel, 0 to 255\n"
    "                     (default: 123.675,116.28,103.53)\n"
    "  --scale A,B,C      then multiply by this, or by one number: 1/255, and by 1/(255 x the\n"
    "                     standard deviation) where there is one\n"
    "                     (default: that of 0.229,0.224,0.225)\n"
    "  --bgr              channels in the order blue, green, red (default: red, green, blue)\n"
    "  --probabilities    the network ends with a softmax (default: it gives logits)\n"
    "  --unsure-below P   call answers under this probability unsure (default: 0, never)\n"
    "  --source TEXT      where the weights come from (default: not stated)\n"
    "  --licence TEXT     on what terms (default: not stated)\n"
    "  --force            replace a model.yaml that is there\n";

namespace {

namespace fs = std::filesystem;

// Of torchvision's ImageNet classifiers, for values from 0 to 1.
constexpr std::array<double, 3> kMean{0.485, 0.456, 0.406};
constexpr std::array<double, 3> kDeviation{0.229, 0.224, 0.225};

Status read_three(const Arguments& arguments, std::string_view name, bool or_one,
                  std::array<double, 3>& values) {
  if (!arguments.has(name)) return {};
  const std::string text = arguments.value(name);
  const bool one = or_one && text.find(',') == text.npos;
  const auto numbers = parse_numbers(name, text, one ? 1 : 3);
  if (!numbers) return numbers.status();
  for (std::size_t i = 0; i < 3; ++i) values[i] = (*numbers)[one ? 0 : i];
  return {};
}

Status read_sizes(const Arguments& arguments, worker::ModelSpec& spec) {
  const auto input = parse_size("--input", arguments.value("--input", "224x224"));
  if (!input) return input.status();
  std::tie(spec.input_width, spec.input_height) = *input;
  spec.resize_width = (spec.input_width * 8 + 3) / 7;
  spec.resize_height = (spec.input_height * 8 + 3) / 7;
  if (!arguments.has("--resize")) return {};
  const auto size = parse_size("--resize", arguments.value("--resize"));
  if (!size) return size.status();
  std::tie(spec.resize_width, spec.resize_height) = *size;
  return {};
}

// All but what the files say.
Result<worker::ModelSpec> spec_of(const Arguments& arguments, const fs::path& directory) {
  worker::ModelSpec spec;
  for (std::size_t i = 0; i < 3; ++i) {
    spec.mean[i] = 255 * kMean[i];
    spec.scale[i] = 1 / (255 * kDeviation[i]);
  }
  spec.name = arguments.value("--name", directory.filename().string());
  spec.source = arguments.value("--source", "not stated");
  spec.licence = arguments.value("--licence", "not stated");
  spec.channels = arguments.has("--bgr") ? worker::ChannelOrder::kBgr : worker::ChannelOrder::kRgb;
  spec.outputs = arguments.has("--probabilities") ? worker::OutputKind::kProbabilities
                                                  : worker::OutputKind::kLogits;
  if (Status status = read_sizes(arguments, spec); !status.ok()) return status;
  const std::string filter = arguments.value("--filter", "area");
  if (filter != "area" && filter != "bilinear") {
    return Status(StatusCode::kInvalidArgument, "--filter " + filter + ": is area or bilinear");
  }
  spec.filter = filter == "area" ? worker::ResizeFilter::kArea : worker::ResizeFilter::kBilinear;
  if (Status s = read_three(arguments, "--mean", false, spec.mean); !s.ok()) return s;
  if (Status s = read_three(arguments, "--scale", true, spec.scale); !s.ok()) return s;
  const auto unsure = parse_numbers("--unsure-below", arguments.value("--unsure-below", "0"), 1);
  if (!unsure) return unsure.status();
  spec.unsure_below = unsure->front();
  return spec;
}

Status read_files(const fs::path& directory, worker::ModelSpec& spec) {
  const auto labels = worker::read_labels(directory / worker::kLabelsFile);
  if (!labels) return labels.status();
  spec.classes = static_cast<unsigned>(labels->size());
  const auto module_sum = worker::sha256_hex_of_file(directory / worker::kModuleFile);
  if (!module_sum) return module_sum.status();
  spec.model_sha256 = *module_sum;
  const auto labels_sum = worker::sha256_hex_of_file(directory / worker::kLabelsFile);
  if (!labels_sum) return labels_sum.status();
  spec.labels_sha256 = *labels_sum;
  return {};
}

// The file appears whole or not at all: a worker may look at any time.
Status write_file(const fs::path& file, const std::string& text) {
  fs::path beside = file;
  beside += ".new";
  std::ofstream stream(beside, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  std::error_code error;
  if (stream) fs::rename(beside, file, error);
  if (!stream || error) {
    fs::remove(beside, error);
    return {StatusCode::kInternal, "cannot write " + file.string()};
  }
  return {};
}

std::optional<std::string> text_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return std::nullopt;
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

// What to do about LibTorch's commonest complaints of a module; empty for others.
std::string advice_on(const std::string& complaint) {
  const auto has = [&](const char* words) { return complaint.find(words) != std::string::npos; };
  if (has("Expected Tensor but got")) {
    return "; forward must return one tensor; try torch.jit.trace";
  }
  if (has("PytorchStreamReader") || has("'forward' is not defined")) {
    return "; this is no TorchScript: save it with torch.jit.save";
  }
  return {};
}

Status describe(const fs::path& directory, worker::ModelSpec spec, bool force) {
  const fs::path file = directory / worker::kSpecFile;
  const std::optional<std::string> before = text_of(file);
  if (before && !force) {
    return {StatusCode::kAlreadyExists, file.string() + " exists; --force replaces it"};
  }
  if (Status status = read_files(directory, spec); !status.ok()) return status;
  const std::string text = worker::format_model_spec(spec);
  // What the options cannot know is wrong (a resize under the input, a scale of 0) its reader does.
  if (const auto read = worker::parse_model_spec(text, file.string()); !read) return read.status();
  if (Status status = write_file(file, text); !status.ok()) return status;
  const auto engine = worker::TorchEngine::open({.model_dir = directory});
  if (engine) return {};
  std::error_code ignored;
  if (!before) {
    fs::remove(file, ignored);
  } else if (Status status = write_file(file, *before); !status.ok()) {
    return status;
  }
  const std::string why = engine.status().message();
  return {engine.status().code(), "no model.yaml is written: " + why + advice_on(why)};
}

}  // namespace

int run_describe(const std::vector<std::string>& words) {
  const Result<Arguments> arguments =
      Arguments::parse(words, {.values = {"--name", "--input", "--resize", "--filter", "--mean",
                                          "--scale", "--unsure-below", "--source", "--licence"},
                               .switches = {"--bgr", "--probabilities", "--force"},
                               .min_operands = 1,
                               .max_operands = 1,
                               .operand = "DIR"});
  if (!arguments) return complain(arguments.status(), kWrongUsage);
  fs::path directory = fs::absolute(arguments->operands().front()).lexically_normal();
  if (!directory.has_filename()) directory = directory.parent_path();  // "resnet18/"
  const auto spec = spec_of(*arguments, directory);
  if (!spec) return complain(spec.status(), kWrongUsage);
  if (Status status = describe(directory, *spec, arguments->has("--force")); !status.ok()) {
    return complain(status, kFailure);
  }
  return run_check({arguments->operands().front()});
}

}  // namespace imgrec::models
