#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "common/logging.h"
#include "common/options.h"
#include "models/app/commands.h"
#include "worker/inference/blas_choice.h"

namespace {

constexpr std::string_view kHelp =
    "Usage: imgrec-model COMMAND ...\n"
    "\n"
    "Makes and tries model folders, the form in which imgrec-worker takes its network.\n"
    "\n"
    "  import-caffe  make a folder from a Caffe network and check it against OpenCV\n"
    "  describe DIR  make a folder of a TorchScript network and its labels\n"
    "  check DIR     check a folder and say what it is\n"
    "  classify      recognise pictures with it\n"
    "  evaluate      say how good it is on pictures whose classes are known\n"
    "  calibrate DIR prepare a folder for int8, on photos\n"
    "\n"
    "imgrec-model COMMAND --help says more. --version prints the version.\n"
    "Exit codes: 0 good, 1 a failure, 2 wrong usage.\n";

struct Command {
  std::string_view name;
  int (*run)(const std::vector<std::string>&);
  std::string_view help;
};

bool asks_for_help(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--help" || word == "-h") return true;
  }
  return false;
}

int run(int argc, char** argv) {
  using namespace imgrec::models;
  const Command commands[] = {{"import-caffe", run_import_caffe, kImportCaffeHelp},
                              {"describe", run_describe, kDescribeHelp},
                              {"check", run_check, kCheckHelp},
                              {"classify", run_classify, kClassifyHelp},
                              {"evaluate", run_evaluate, kEvaluateHelp},
                              {"calibrate", run_calibrate, kCalibrateHelp}};
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "--help" || first == "-h") return std::cout << kHelp, kGood;
  if (first == "--version") return std::cout << imgrec::version_line("imgrec-model") << "\n", kGood;
  const std::vector<std::string> words(argv + (argc > 1 ? 2 : 1), argv + argc);
  for (const Command& command : commands) {
    if (command.name != first) continue;
    return asks_for_help(words) ? (std::cout << command.help, kGood) : command.run(words);
  }
  if (first.empty()) return std::cerr << kHelp, kWrongUsage;
  std::cerr << "imgrec-model: unknown command " << first << "; --help lists them\n";
  return kWrongUsage;
}

}  // namespace

int main(int argc, char** argv) {
  imgrec::worker::prepare_process_environment(argv);
  if (imgrec::Status status = imgrec::init_logging("imgrec-model", "warn"); !status.ok()) {
    return imgrec::models::complain(status, imgrec::models::kFailure);
  }
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "imgrec-model: " << error.what() << "\n";
    return imgrec::models::kFailure;
  }
}
