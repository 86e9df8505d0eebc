#include <cstdio>
#include <exception>
#include <string_view>

#include "client/app/classify_command.h"
#include "common/options.h"

namespace {

constexpr const char* kHelp =
    "imgrec: the command line of an imgrec server.\n"
    "\n"
    "Usage: imgrec COMMAND ...\n"
    "\n"
    "  classify  recognise photos\n"
    "\n"
    "imgrec COMMAND --help says more. --version prints the version.\n";

int run(int argc, char** argv) {
  using namespace imgrec::client;
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "--help" || first == "-h") return std::fputs(kHelp, stdout), kExitGood;
  if (first == "--version") return std::puts(imgrec::version_line("imgrec").c_str()), kExitGood;
  if (first == "classify") return run_classify(argc - 1, argv + 1);
  if (first.empty()) {
    std::fputs(kHelp, stderr);
  } else {
    std::fprintf(stderr, "imgrec: unknown command %.100s; --help lists them\n", argv[1]);
  }
  return kExitWrongUsage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imgrec: stopped by an unexpected error: %s\n", error.what());
    return imgrec::client::kExitFailed;
  }
}
