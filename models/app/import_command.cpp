#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <tuple>
#include <utility>

#include "models/app/arguments.h"
#include "models/app/commands.h"
#include "models/app/new_folder.h"
#include "models/caffe/caffe_network.h"
#include "models/caffe/opencv_reference.h"
#include "models/caffe/torchscript_writer.h"
#include "worker/inference/model_folder.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::models {

const std::string_view kImportCaffeHelp =
    "Usage: imgrec-model import-caffe --prototxt FILE --caffemodel FILE --labels FILE --out DIR\n"
    "\n"
    "Makes a model folder from a Caffe image classifier and checks it against OpenCV's DNN module\n"
    "on the same files. DIR appears only if every probability agrees.\n"
    "\n"
    "  --prototxt FILE    network definition for deployment (text)\n"
    "  --caffemodel FILE  its weights (binary)\n"
    "  --labels FILE      one class a line, in output order\n"
    "  --out DIR          the new model folder\n"
    "  --name NAME        the model's name (default: that of the caffemodel)\n"
    "  --photos DIR       compare on these pictures too\n"
    "  --resize WxH       squash pictures to this before the crop (default: 8/7 of the input,\n"
    "                     which is 256x256 for 224x224)\n"
    "  --mean A,B,C       subtract this from each channel (default: 104,117,123)\n"
    "  --scale S          then multiply by this (default: 1)\n"
    "  --rgb              channels in the order red, green, blue (default: blue, green, red)\n"
    "  --unsure-below P   call answers under this probability unsure (default: 0, never)\n"
    "  --source TEXT      where the weights come from, for model.yaml\n"
    "  --licence TEXT     on what terms, for model.yaml\n"
    "  --force            replace DIR if it is a model folder\n";

namespace {

namespace fs = std::filesystem;

struct ImportOptions {
  fs::path prototxt, caffemodel, labels, out, photos;
  bool force = false;
  worker::ModelSpec spec;  // without what the network says
};

Result<ImportOptions> import_options(const Arguments& arguments) {
  ImportOptions options;
  options.prototxt = arguments.value("--prototxt");
  options.caffemodel = arguments.value("--caffemodel");
  options.labels = arguments.value("--labels");
  options.out = arguments.value("--out");
  options.photos = arguments.value("--photos");
  options.force = arguments.has("--force");
  worker::ModelSpec& spec = options.spec;
  spec.name = arguments.value("--name", options.caffemodel.stem().string());
  spec.source = arguments.value("--source", options.caffemodel.filename().string());
  spec.licence = arguments.value("--licence", "not stated");
  if (arguments.has("--rgb")) spec.channels = worker::ChannelOrder::kRgb;
  const auto mean = parse_numbers("--mean", arguments.value("--mean", "104,117,123"), 3);
  if (!mean) return mean.status();
  std::copy(mean->begin(), mean->end(), spec.mean.begin());
  const auto scale = parse_numbers("--scale", arguments.value("--scale", "1"), 1);
  if (!scale) return scale.status();
  spec.scale.fill(scale->front());
  const auto unsure = parse_numbers("--unsure-below", arguments.value("--unsure-below", "0"), 1);
  if (!unsure) return unsure.status();
  spec.unsure_below = unsure->front();
  if (arguments.has("--resize")) {
    const auto size = parse_size("--resize", arguments.value("--resize"));
    if (!size) return size.status();
    std::tie(spec.resize_width, spec.resize_height) = *size;
  }
  return options;
}

// Takes from the network what it says about its input and output.
Status complete_spec(worker::ModelSpec& spec, const Network& network) {
  const Shape& input = network.input_shape;
  if (input[0] != 3) {
    return {StatusCode::kUnsupported, "the network's input has " + std::to_string(input[0]) +
                                          " channels; three are supported"};
  }
  spec.input_height = static_cast<unsigned>(input[1]);
  spec.input_width = static_cast<unsigned>(input[2]);
  if (spec.resize_width == 0) {
    spec.resize_width = (spec.input_width * 8 + 3) / 7;
    spec.resize_height = (spec.input_height * 8 + 3) / 7;
  }
  if (spec.resize_width < spec.input_width || spec.resize_height < spec.input_height) {
    return {StatusCode::kInvalidArgument, "--resize is smaller than the network's input, " +
                                              std::to_string(spec.input_width) + "x" +
                                              std::to_string(spec.input_height)};
  }
  spec.classes = static_cast<unsigned>(network.output_shape[0]);
  spec.outputs = network.output_is_probabilities ? worker::OutputKind::kProbabilities
                                                 : worker::OutputKind::kLogits;
  return {};
}

Status write_folder(const NewFolder& folder, const Network& network,
                    const std::vector<std::string>& labels, const worker::ModelSpec& spec) {
  if (labels.size() != spec.classes) {
    return {StatusCode::kInvalidArgument, "the labels are " + std::to_string(labels.size()) +
                                              ", but the network has " +
                                              std::to_string(spec.classes) + " outputs"};
  }
  Status status = write_torchscript(network, folder.path() / worker::kModuleFile);
  return status.ok() ? folder.describe(labels, spec) : status;
}

void print_network(const ImportOptions& options, const Network& network) {
  std::size_t with_weights = 0;
  std::size_t values = 0;
  for (const Layer& layer : network.layers) {
    const auto* convolution = std::get_if<Convolution>(&layer.kind);
    const auto* inner = std::get_if<InnerProduct>(&layer.kind);
    if (convolution != nullptr) values += convolution->weights.size() + convolution->bias.size();
    if (inner != nullptr) values += inner->weights.size() + inner->bias.size();
    with_weights += convolution != nullptr || inner != nullptr ? 1 : 0;
  }
  std::cout << "read " << options.prototxt.string() << ": " << network.layers.size()
            << " layers, input \"" << network.input << "\" " << to_string(network.input_shape)
            << ", output \"" << network.output << "\" of " << network.output_shape[0]
            << (network.output_is_probabilities ? " probabilities\n" : " logits\n") << "read "
            << options.caffemodel.string() << ": " << values << " weights of " << with_weights
            << " layers\n";
  if (network.unused_weights.empty()) return;
  std::cout << "left out, as the definition lacks them:";
  for (const std::string& name : network.unused_weights) std::cout << " " << name;
  std::cout << "\n";
}

// Opens the folder as a worker would, and compares.
Status check_folder(const fs::path& directory, const ImportOptions& options) {
  auto engine = worker::TorchEngine::open({.model_dir = directory});
  if (!engine) return engine.status();
  Result<Comparison> comparison = compare_with_opencv(**engine, options.spec, options.prototxt,
                                                      options.caffemodel, options.photos);
  if (!comparison) {
    return {comparison.status().code(),
            "the model does not agree with OpenCV's DNN module, nothing is written: " +
                comparison.status().message()};
  }
  std::cout << "checked against OpenCV's DNN module on " << comparison->generated
            << " generated pictures and " << comparison->photos << " photos";
  if (comparison->undecodable > 0) std::cout << " (" << comparison->undecodable << " other files)";
  std::cout << ": same best class, probabilities within " << comparison->max_difference << " ("
            << comparison->worst_picture << "; the limit is " << kMaxDifference << ")\n";
  return {};
}

Status import_caffe(ImportOptions options) {
  Result<Network> network = read_network(options.prototxt, options.caffemodel);
  if (!network) return network.status();
  Result<std::vector<std::string>> labels = worker::read_labels(options.labels);
  if (!labels) return labels.status();
  print_network(options, *network);
  if (Status status = complete_spec(options.spec, *network); !status.ok()) return status;
  Result<NewFolder> folder = NewFolder::create(options.out, options.force);
  if (!folder) return folder.status();
  Status status = write_folder(*folder, *network, *labels, options.spec);
  if (status.ok()) status = check_folder(folder->path(), options);
  if (status.ok()) status = folder->commit();
  if (!status.ok()) return status;
  std::cout << "wrote " << options.out.string() << ": " << worker::kModuleFile << ", "
            << worker::kLabelsFile << ", " << worker::kSpecFile << "\n";
  return {};
}

}  // namespace

int run_import_caffe(const std::vector<std::string>& words) {
  const Result<Arguments> arguments = Arguments::parse(
      words,
      {.values = {"--prototxt", "--caffemodel", "--labels", "--out", "--name", "--photos",
                  "--resize", "--mean", "--scale", "--unsure-below", "--source", "--licence"},
       .switches = {"--force", "--rgb"},
       .required = {"--prototxt", "--caffemodel", "--labels", "--out"}});
  if (!arguments) return complain(arguments.status(), kWrongUsage);
  Result<ImportOptions> options = import_options(*arguments);
  if (!options) return complain(options.status(), kWrongUsage);
  const Status status = import_caffe(std::move(*options));
  return status.ok() ? kGood : complain(status, kFailure);
}

}  // namespace imgrec::models
