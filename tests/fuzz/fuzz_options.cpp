// Any bytes as a configuration: file, variables and flags of a program with one option of each
// type. Input: the YAML file, then behind NUL characters a variable's value and each argument.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "common/option_value.h"
#include "common/options.h"
#include "tests/fuzz/byte_source.h"

namespace {

using namespace imgrec;
using imgrec::fuzz::require;

// A file without a disk, rewritten for each input.
class MemoryFile {
 public:
  MemoryFile() : file_(memfd_create("config.yaml", 0)) { require(file_ >= 0); }
  void write(std::string_view text) const {
    require(ftruncate(file_, 0) == 0);
    require(pwrite(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

// One option of each type, as the programs declare them.
struct Program {
  bool once = false;
  std::uint16_t port = 8080;
  unsigned threads = 2;
  std::uint64_t max_pixels = 100;
  double probability = 0.5;
  std::string level = "info";
  std::chrono::milliseconds timeout{2000};
  ByteSize cache{64 << 20};
  std::vector<std::string> managers = {"a:1", "b:2"};
  OptionSet set{"program", "Does what the fuzzer wants.", "FUZZ"};

  Program() {
    set.add({"http.port", &port, "port", "port", "PORT"});
    set.add({"http.limits.pixels", &max_pixels, "pixels", "", ""});
    set.add({"http.threads", &threads, "threads", "", "N", [this] {
               return threads <= 64 ? Status() : Status(StatusCode::kInvalidArgument, "64 at most");
             }});
    set.add({"once", &once, "leave after one", "", ""});
    set.add({"fail-probability", &probability, "dice", "fail-probability", "P"});
    set.add({"log.level", &level, "least level", "log-level", "LEVEL"});
    set.add({"timeout", &timeout, "patience", "", ""});
    set.add({"storage.cache", &cache, "bytes kept", "", ""});
    set.add({"worker.managers", &managers, "where to", "manager", ""});
  }
  std::vector<OptionTarget> targets() {
    return {&once, &port, &threads, &max_pixels, &probability, &level, &timeout, &cache, &managers};
  }
};

std::vector<std::string> split_at_nul(std::string_view text) {
  std::vector<std::string> pieces;
  for (;;) {
    const auto end = text.find('\0');
    pieces.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

// Every value, shown as --help shows it, is read back as the same value.
void check_values(Program& program) {
  Program other;
  const auto targets = program.targets();
  const auto others = other.targets();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::string shown = option_value_text(targets[i]);
    require(set_option_value(others[i], shown).ok());
    require(option_value_text(others[i]) == shown);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile file;
  const auto pieces = split_at_nul({reinterpret_cast<const char*>(data), size});
  file.write(pieces[0]);
  const std::string path = file.path();
  setenv("FUZZ_TIMEOUT", pieces.size() > 1 ? pieces[1].c_str() : "", 1);
  std::vector<const char*> arguments = {"program", "--config", path.c_str()};
  for (std::size_t i = 2; i < pieces.size(); ++i) {
    // What the input names may be any file of this machine; it is to be its own.
    if (pieces[i].rfind("--config", 0) == 0) continue;
    arguments.push_back(pieces[i].c_str());
  }
  Program program;
  std::vector<std::string> positional;
  const auto command =
      program.set.parse(static_cast<int>(arguments.size()), arguments.data(), &positional);
  if (!command.ok()) {
    require(!command.status().message().empty());
    require(command.status().code() == StatusCode::kInvalidArgument);
    return 0;
  }
  if (*command == Command::kRun || *command == Command::kCheckConfig)
    require(program.threads <= 64);
  require(!program.set.help().empty());
  check_values(program);
  return 0;
}
