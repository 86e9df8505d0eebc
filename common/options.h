// Declared options: one table entry is a YAML key, a flag, an environment variable, a default and
// a line of --help. Unknown keys, duplicate keys and wrong types are errors that name file, line
// and key.
//
// Thread rule: used at start, from one thread.
// Owns: the table. Borrows the targets, which must outlive parse().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/status.h"

namespace imgrec {

// Where a value goes. The type decides what text is allowed: integers are decimal and
// range-checked, and a leading zero ("010") is refused, since YAML 1.1 reads it as octal;
// durations are "250ms", "10s", "5m", "2h"; sizes are "64KiB", "20MiB", "1GiB" or plain bytes;
// bools are true/false (a bare flag is true; --flag=false); lists are YAML sequences or
// comma-separated text. An environment variable that is empty counts as not set.
struct ByteSize {
  std::uint64_t bytes = 0;
};
using OptionTarget =
    std::variant<bool*, std::uint16_t*, unsigned*, std::uint64_t*, double*, std::string*,
                 std::chrono::milliseconds*, ByteSize*, std::vector<std::string>*>;

struct Option {
  std::string key;      // "http.port": YAML path, --http-port, PREFIX_HTTP_PORT
  OptionTarget target;  // holds the default at declaration time
  std::string help;
  std::string flag;   // a second, short flag name without dashes: "port"; empty: none
  std::string value;  // placeholder in --help: "PORT"
  std::function<Status()> check = {};  // further validation once every source is read
  // Never a flag, since every user of a machine can read the command lines of its programs. Only
  // the variable and the file set it, and no text of ours shows it.
  bool secret = false;
};

// What the command line asks for besides running.
enum class Command { kRun, kHelp, kVersion, kCheckConfig };

class OptionSet {
 public:
  // program: "imgrec-manager"; env_prefix: "IMGREC".
  OptionSet(std::string program, std::string summary, std::string env_prefix = "IMGREC");
  void add(Option option);

  // For --help: what may follow the options ("PATH..."), and what there is to say below them.
  void describe(std::string operands, std::string notes);

  // Reads --config FILE, then the environment, then flags, into the targets. Positional arguments
  // are errors unless `positional` is given. Exports of other programs' variables (IMGREC_…
  // that name no option here) are ignored: manager and worker may share an environment.
  Result<Command> parse(int argc, const char* const* argv,
                        std::vector<std::string>* positional = nullptr);

  std::string help() const;

 private:
  struct Entry {
    Option option;
    std::string long_flag;     // "http-port"
    std::string variable;      // "IMGREC_HTTP_PORT"
    std::string default_text;  // for --help
    std::string place;  // where the value came from: "config.yaml:3: http.port"; empty: default
  };
  struct FlagValue {
    Entry* entry;
    std::string flag;  // as typed
    std::string value;
  };
  struct CommandLine {
    std::optional<std::string> config;
    bool check_config = false;
    std::vector<FlagValue> values;  // in order: the last one wins
  };
  class YamlReader;

  Status read_flags(const std::vector<std::string_view>& args, std::vector<std::string>* positional,
                    CommandLine* line);
  Status read_file(const std::string& path);
  Status read_environment();
  Status assign(Entry& entry, const std::string& place, std::string_view text);
  Entry* find_flag(std::string_view name);
  Status unexpected_argument(std::string_view argument) const;

  std::string program_;
  std::string summary_;
  std::string env_prefix_;
  std::string operands_;
  std::string notes_;
  std::vector<Entry> entries_;
};

// "0.1.0"
std::string_view version();

// The version that --version prints: "imgrec-manager 0.1.0".
std::string version_line(std::string_view program);

}  // namespace imgrec
