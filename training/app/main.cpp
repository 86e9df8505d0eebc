#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <malloc.h>
#include <unistd.h>

#include "common/logging.h"
#include "common/options.h"
#include "training/app/train.h"
#include "worker/inference/blas_choice.h"

namespace {

constexpr int kGood = 0;
constexpr int kFailure = 1;
constexpr int kWrongUsage = 2;
constexpr int kInterrupted = 130;

std::atomic<bool> g_stop{false};

// Each training step allocates the same tensors again, megabytes each. By default they go back to
// the kernel every time, which spends a sixth of a training on clearing pages. The numbers are of
// bytes.
void keep_freed_memory() {
  constexpr int kMost = std::numeric_limits<int>::max();
  constexpr int kGrowBy = 64 << 20;
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, kMost);
  ::mallopt(M_TOP_PAD, kGrowBy);
  ::mallopt(M_ARENA_MAX, 1);  // further ones end at 64 MiB, and map what does not fit
}

// The first signal ends the training after this epoch, the second one at once. In a handler nothing
// but write() may speak.
void stop(int signal) {
  if (g_stop.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  constexpr std::string_view kWords = "\nimgrec-train: ending after this epoch; again: at once\n";
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kWords.data(), kWords.size());
  errno = error;
}

int complain(const imgrec::Status& status, int code) {
  std::fprintf(stderr, "imgrec-train: %s\n", status.message().c_str());
  return code;
}

int run(const std::vector<std::string>& words) {
  using namespace imgrec;
  for (const auto& word : words) {
    if (word == "--help" || word == "-h") return std::fputs(training::kTrainHelp, stdout), kGood;
    if (word == "--version") return std::puts(version_line("imgrec-train").c_str()), kGood;
  }
  const auto options = training::parse_train_options(words);
  if (!options.ok()) return complain(options.status(), kWrongUsage);
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  const Status status = training::train(*options, g_stop);
  if (status.ok()) return kGood;
  return complain(status, status.code() == StatusCode::kCancelled ? kInterrupted : kFailure);
}

}  // namespace

int main(int argc, char** argv) {
  imgrec::worker::prepare_process_environment(argv);
  keep_freed_memory();
  try {
    if (const auto status = imgrec::init_logging("imgrec-train", "warn"); !status.ok()) {
      return complain(status, kFailure);
    }
    return run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imgrec-train: %s\n", error.what());
    return kFailure;
  }
}
