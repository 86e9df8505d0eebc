#include "training/app/train_options.h"

#include <algorithm>
#include <sstream>
#include <thread>

#include "models/app/arguments.h"

namespace imgrec::training {

const char* const kTrainHelp =
    "Usage: imgrec-train --data DIR --out DIR [OPTIONS]\n"
    "\n"
    "Trains a small image classifier on folders of pictures, one folder a class, and makes a "
    "model\n"
    "folder of it for imgrec-worker. docs/training.md says how to go about it.\n"
    "\n"
    "  --data DIR         folders of pictures to learn from\n"
    "  --out DIR          the new model folder\n"
    "  --test DIR         the same folders with other pictures, to judge by\n"
    "                     (default: those held out)\n"
    "  --held-out P       percent of each class that is not learned from: it chooses the\n"
    "                     temperature and the threshold of the scores (default: 10)\n"
    "  --classes A,B,...  only these folders (default: all)\n"
    "  --size N           pictures are squashed to N x N, a multiple of 8 (default: 32)\n"
    "  --epochs N         passes over the pictures (default: 30)\n"
    "  --batch N          at most so many pictures a step; an epoch is divided evenly\n"
    "                     (default: 256)\n"
    "  --width P          percent of the network's channels: twice as many are up to four times "
    "the\n"
    "                     work and weights (default: 100, 1.7 million weights)\n"
    "  --rate R           highest learning rate (default: 0.375)\n"
    "  --seed N           the same seed, the same training (default: 1)\n"
    "  --precision P      fp32, or bf16 where the processor has the instructions (avx512_bf16),\n"
    "                     of the same accuracy and mostly faster; try both for an epoch\n"
    "                     (default: bf16 where it can be had)\n"
    "  --device D         cpu, or cuda where LibTorch was built with it (default: cpu)\n"
    "  --whole N          in the last N epochs no part of a picture is blanked (default: 0)\n"
    "  --mirror           the model looks at each picture and its mirror image, and takes the "
    "mean:\n"
    "                     twice the work, and right more often\n"
    "  --with A,B,...     checkpoints of other trainings with the same pictures: the model asks "
    "their\n"
    "                     networks too, and takes the mean\n"
    "  --bytes            the model's weights are rounded to a byte each: a quarter of the file\n"
    "  --threads N        (default: as many as there are cores)\n"
    "  --sure P           answers of a score that is not right in P percent of the held-out\n"
    "                     pictures are called unsure (default: 95)\n"
    "  --memory MIB       for the pixels of all pictures (default: 4096)\n"
    "  --name NAME        the model's name (default: that of the out directory)\n"
    "  --source TEXT      what it was trained on, for model.yaml\n"
    "  --licence TEXT     on what terms, for model.yaml\n"
    "  --checkpoint FILE  where the state is kept after each epoch (default: OUT.checkpoint); an\n"
    "                     interrupted training goes on from there\n"
    "  --restart          begin anew all the same\n"
    "  --force            replace the out directory if it is a model folder\n"
    "\n"
    "Exit codes: 0 good, 1 a failure, 2 wrong usage, 130 interrupted (it can go on).\n";

namespace {

using models::Arguments;

Status wrong(const std::string& what) { return {StatusCode::kInvalidArgument, what}; }

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

// The classes that are named, sorted, as their folders are. Nothing: all there are.
Result<std::vector<std::string>> read_classes(const Arguments& arguments) {
  if (!arguments.has("--classes")) return std::vector<std::string>();
  std::vector<std::string> classes = split(arguments.value("--classes"));
  std::sort(classes.begin(), classes.end());
  if (const auto twice = std::adjacent_find(classes.begin(), classes.end());
      twice != classes.end()) {
    return wrong("--classes names \"" + *twice + "\" twice");
  }
  for (const std::string& name : classes) {
    if (name.find('/') != std::string::npos || name.starts_with('.')) {
      return wrong("--classes: \"" + name +
                   "\" is no class: give the names of folders in --data, without / and with no dot "
                   "in front");
    }
  }
  if (classes.size() < 2) {
    return wrong("--classes names fewer than two classes, and there is nothing to tell apart");
  }
  return classes;
}

// What people call a directory: "pets" of "data/pets/", and of "." within it.
std::string name_of_directory(const std::filesystem::path& directory) {
  const std::filesystem::path full = std::filesystem::absolute(directory).lexically_normal();
  return (full.has_filename() ? full : full.parent_path()).filename().string();
}

// Reads the whole numbers, each to its place.
Status read_counts(const Arguments& arguments, TrainOptions& options, unsigned& memory_mib,
                   unsigned& sure, unsigned& seed) {
  struct Count {
    const char* name;
    unsigned* target;
    unsigned min, max;
  };
  const Count counts[] = {{"--held-out", &options.held_out, 1, 50},
                          {"--size", &options.folders.size, 8, 512},
                          {"--epochs", &options.trainer.epochs, 1, 10'000},
                          {"--batch", &options.trainer.batch, 2, 4096},
                          {"--width", &options.trainer.width, 25, 400},
                          {"--seed", &seed, 0, 4'000'000'000},
                          {"--threads", &options.trainer.threads, 1, 1024},
                          {"--whole", &options.trainer.whole_epochs, 0, 10'000},
                          {"--sure", &sure, 1, 100},
                          {"--memory", &memory_mib, 1, 1u << 20}};
  for (const Count& count : counts) {
    if (!arguments.has(count.name)) continue;
    const auto value =
        models::parse_count(count.name, arguments.value(count.name), count.min, count.max);
    if (!value.ok()) return value.status();
    *count.target = *value;
  }
  if (options.folders.size % 8 != 0) return wrong("--size must be a multiple of 8");
  return {};
}

Status read_device(const Arguments& arguments, std::string& device) {
  device = arguments.value("--device", "cpu");
  if (device == "cpu") return {};
  if (device != "cuda") return wrong("--device must be cpu or cuda");
  if (accelerator_there()) return {};
  return wrong(
      "there is no GPU that this LibTorch can compute on (Debian's is built without CUDA); use "
      "--device cpu");
}

// REQUIRES: the device is known.
Status read_precision(const Arguments& arguments, const std::string& device, Precision& precision) {
  const Precision fastest = device == "cpu" ? fastest_precision() : Precision::kFp32;
  const std::string name = arguments.value("--precision", name_of(fastest));
  if (name == name_of(Precision::kFp32)) {
    precision = Precision::kFp32;
  } else if (name != name_of(Precision::kBf16)) {
    return wrong("--precision must be fp32 or bf16");
  } else if (fastest != Precision::kBf16) {
    return wrong(device == "cpu"
                     ? "this processor has no instructions for bf16 (avx512_bf16); use fp32"
                     : "--precision bf16 is for the processor; use fp32");
  } else {
    precision = Precision::kBf16;
  }
  return {};
}

}  // namespace

Result<TrainOptions> parse_train_options(const std::vector<std::string>& words) {
  const auto arguments = Arguments::parse(
      words,
      {.values = {"--data",      "--out",     "--test",    "--held-out",   "--classes", "--size",
                  "--epochs",    "--batch",   "--rate",    "--seed",       "--sure",    "--memory",
                  "--name",      "--source",  "--licence", "--checkpoint", "--whole",   "--width",
                  "--precision", "--threads", "--device",  "--with"},
       .switches = {"--restart", "--force", "--mirror", "--bytes"},
       .required = {"--data", "--out"}});
  if (!arguments.ok()) return arguments.status();
  TrainOptions options;
  options.data = arguments->value("--data");
  options.test = arguments->value("--test");
  options.out = std::filesystem::path(arguments->value("--out")).lexically_normal();
  if (!options.out.has_filename()) options.out = options.out.parent_path();
  options.checkpoint = arguments->value("--checkpoint", options.out.string() + ".checkpoint");
  options.force = arguments->has("--force");
  options.restart = arguments->has("--restart");
  options.trainer.mirror = arguments->has("--mirror");
  options.trainer.byte_weights = arguments->has("--bytes");
  for (const std::string& file : split(arguments->value("--with"))) {
    options.committee.emplace_back(file);
  }
  auto classes = read_classes(*arguments);
  if (!classes.ok()) return classes.status();
  options.folders.classes = *std::move(classes);
  options.name = arguments->value("--name", name_of_directory(options.out));
  options.source =
      arguments->value("--source", "trained by imgrec-train on " + name_of_directory(options.data));
  options.licence = arguments->value("--licence", "not stated");
  options.trainer.threads = std::max(1u, std::thread::hardware_concurrency());
  Status status = read_device(*arguments, options.trainer.device);
  if (status.ok()) {
    status = read_precision(*arguments, options.trainer.device, options.trainer.precision);
  }
  if (!status.ok()) return status;
  unsigned memory_mib = 4096;
  unsigned sure = 95;
  unsigned seed = 1;
  status = read_counts(*arguments, options, memory_mib, sure, seed);
  if (!status.ok()) return status;
  options.folders.max_bytes = std::uint64_t{memory_mib} << 20;
  options.sure = sure / 100.0;
  options.trainer.seed = seed;
  if (arguments->has("--rate")) {
    const auto rate = models::parse_numbers("--rate", arguments->value("--rate"), 1);
    if (!rate.ok()) return rate.status();
    options.trainer.rate = rate->front();
  }
  if (!(options.trainer.rate > 0 && options.trainer.rate <= 10)) {
    return wrong("--rate must be above 0 and at most 10");
  }
  return options;
}

}  // namespace imgrec::training
