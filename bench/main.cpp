#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/inference_bench.h"
#include "common/logging.h"
#include "common/options.h"
#include "models/app/arguments.h"
#include "models/app/commands.h"
#include "worker/inference/blas_choice.h"

namespace {

using imgrec::Result;
using imgrec::Status;
using imgrec::models::Arguments;
using imgrec::models::complain;
using imgrec::models::kFailure;
using imgrec::models::kGood;
using imgrec::models::kWrongUsage;

constexpr std::string_view kHelp =
    "Usage: imgrec-bench inference --model DIR --photos DIR [OPTION]...\n"
    "\n"
    "Runs a model in every way that this machine has, in turns, and prints images/s as medians,\n"
    "ratios of what was measured one after the other, and the accuracy of each: LibTorch with the\n"
    "module as saved and optimised, our compiled network in each precision, and OpenCV's DNN "
    "module\n"
    "on the same Caffe files; on one thread and more, with decoding the photos and without. "
    "Beside\n"
    "it: how fast one core multiplies matrices, which bounds all of them. Wants a quiet machine.\n"
    "\n"
    "  --model DIR       model folder\n"
    "  --photos DIR      photos to recognise\n"
    "  --reference FILE  what a reference program said of them (default: reference.tsv beside "
    "them)\n"
    "  --caffe DIR       deploy.prototxt and the .caffemodel that the model was made from\n"
    "  --rounds N        how often everything is measured (default: 5)\n"
    "  --seconds S       for how long each time (default: 0.5)\n"
    "  --threads N       measure with one thread, two, … up to N (default: 2)\n"
    "\n"
    "Exit codes: 0 good, 1 a failure, 2 wrong usage.\n";

int inference(const std::vector<std::string>& words) {
  const Result<Arguments> arguments =
      Arguments::parse(words, {.values = {"--model", "--photos", "--reference", "--caffe",
                                          "--rounds", "--seconds", "--threads"},
                               .required = {"--model", "--photos"}});
  if (!arguments) return complain(arguments.status(), kWrongUsage);
  imgrec::bench::InferenceBenchOptions options;
  options.model = arguments->value("--model");
  options.photos = arguments->value("--photos");
  options.reference = arguments->value("--reference", (options.photos / "reference.tsv").string());
  options.caffe = arguments->value("--caffe");
  using imgrec::models::parse_count;
  const auto rounds = parse_count("--rounds", arguments->value("--rounds", "5"), 1, 1000);
  if (!rounds) return complain(rounds.status(), kWrongUsage);
  options.rounds = *rounds;
  const auto threads = parse_count("--threads", arguments->value("--threads", "2"), 1, 256);
  if (!threads) return complain(threads.status(), kWrongUsage);
  options.max_threads = *threads;
  const auto seconds =
      imgrec::models::parse_numbers("--seconds", arguments->value("--seconds", "0.5"), 1);
  if (!seconds) return complain(seconds.status(), kWrongUsage);
  options.seconds = seconds->front();
  const Status status = imgrec::bench::run_inference_bench(options, std::cout);
  return status.ok() ? kGood : complain(status, kFailure);
}

int run(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  for (const std::string& word : words) {
    if (word == "--help" || word == "-h") return std::cout << kHelp, kGood;
  }
  if (words.empty()) return std::cerr << kHelp, kWrongUsage;
  if (words[0] == "--version") {
    return std::cout << imgrec::version_line("imgrec-bench") << "\n", kGood;
  }
  if (words[0] == "inference") return inference({words.begin() + 1, words.end()});
  std::cerr << "imgrec-bench: unknown command " << words[0] << "; --help lists them\n";
  return kWrongUsage;
}

}  // namespace

int main(int argc, char** argv) {
  imgrec::worker::prepare_process_environment(argv);
  if (imgrec::Status status = imgrec::init_logging("imgrec-bench", "warn"); !status.ok()) {
    return complain(status, kFailure);
  }
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "imgrec-bench: " << error.what() << "\n";
    return kFailure;
  }
}
