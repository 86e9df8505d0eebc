#include "common/options.h"

#include <algorithm>
#include <cstdlib>

#include "common/option_value.h"

namespace imgrec {
namespace {

Status at(const std::string& place, const Status& status) {
  return {status.code(), place + ": " + status.message()};
}

// "http.max_body" -> "http-max-body"
std::string flag_of(std::string_view key) {
  std::string flag(key);
  std::replace_if(
      flag.begin(), flag.end(), [](char c) { return c == '.' || c == '_'; }, '-');
  return flag;
}

// "http.max_body" -> "IMGREC_HTTP_MAX_BODY"
std::string variable_of(std::string_view prefix, std::string_view key) {
  std::string name = std::string(prefix) + "_";
  for (const char c : key) {
    const bool lower = c >= 'a' && c <= 'z';
    name += c == '.' || c == '-' ? '_' : (lower ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return name;
}

bool is_bool(const Option& option) { return std::holds_alternative<bool*>(option.target); }

// One argument taken apart: "--name=value", "--name", or neither.
struct Argument {
  bool is_flag = false;
  std::string name;   // without dashes
  std::string value;  // behind '='
  bool has_value = false;
};

Argument split_argument(std::string_view text) {
  Argument argument;
  if (text.substr(0, 2) != "--" || text.size() == 2) return argument;
  argument.is_flag = true;
  const std::size_t equals = text.find('=');
  argument.name = std::string(text.substr(2, equals == text.npos ? equals : equals - 2));
  if (equals != text.npos) {
    argument.has_value = true;
    argument.value = std::string(text.substr(equals + 1));
  }
  return argument;
}

// --help and --version win over everything else, so that they work beside a mistake.
std::optional<Command> early_command(const std::vector<std::string_view>& args) {
  for (const std::string_view arg : args) {
    if (arg == "--") break;
    if (arg == "--help" || arg == "-h") return Command::kHelp;
    if (arg == "--version") return Command::kVersion;
  }
  return std::nullopt;
}

}  // namespace

OptionSet::OptionSet(std::string program, std::string summary, std::string env_prefix)
    : program_(std::move(program)),
      summary_(std::move(summary)),
      env_prefix_(std::move(env_prefix)) {}

void OptionSet::add(Option option) {
  Entry entry;
  entry.default_text = option_value_text(option.target);
  entry.long_flag = flag_of(option.key);
  entry.variable = variable_of(env_prefix_, option.key);
  entry.option = std::move(option);
  entries_.push_back(std::move(entry));
}

void OptionSet::describe(std::string operands, std::string notes) {
  operands_ = std::move(operands);
  notes_ = std::move(notes);
}

Result<Command> OptionSet::parse(int argc, const char* const* argv,
                                 std::vector<std::string>* positional) {
  const std::vector<std::string_view> args(argv + std::min(argc, 1), argv + argc);
  if (const auto command = early_command(args)) return *command;

  // The flags are read first, since one of them names the file, and applied last.
  CommandLine line;
  if (Status status = read_flags(args, positional, &line); !status.ok()) return status;
  if (line.config) {
    if (Status status = read_file(*line.config); !status.ok()) return status;
  }
  if (Status status = read_environment(); !status.ok()) return status;
  for (const auto& [entry, place, value] : line.values) {
    if (Status status = assign(*entry, place, value); !status.ok()) return status;
  }
  for (const Entry& entry : entries_) {
    if (!entry.option.check) continue;
    if (const Status status = entry.option.check(); !status.ok()) {
      return at(entry.place.empty() ? entry.option.key : entry.place, status);
    }
  }
  return line.check_config ? Command::kCheckConfig : Command::kRun;
}

Status OptionSet::read_flags(const std::vector<std::string_view>& args,
                             std::vector<std::string>* positional, CommandLine* line) {
  bool flags_ended = false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (!flags_ended && args[i] == "--") {
      flags_ended = true;
      continue;
    }
    Argument argument = flags_ended ? Argument() : split_argument(args[i]);
    if (!argument.is_flag) {
      const bool looks_like_flag = !flags_ended && args[i].size() > 1 && args[i][0] == '-';
      if (positional == nullptr || looks_like_flag) return unexpected_argument(args[i]);
      positional->emplace_back(args[i]);
      continue;
    }
    const std::string flag = "--" + argument.name;
    if (argument.name == "check-config" && !argument.has_value) {
      line->check_config = true;
      continue;
    }
    Entry* entry = find_flag(argument.name);
    const bool is_config = argument.name == "config";
    if (entry == nullptr && !is_config) return unexpected_argument(flag);
    if (entry != nullptr && entry->option.secret) {
      return {StatusCode::kInvalidArgument,
              flag +
                  ": a secret has no place on a command line, where every user of this machine "
                  "can read it; set " +
                  entry->variable + " instead"};
    }
    if (!argument.has_value) {
      if (entry != nullptr && is_bool(entry->option)) {
        argument.value = "true";
      } else if (i + 1 < args.size()) {
        argument.value = std::string(args[++i]);
      } else {
        return {StatusCode::kInvalidArgument, flag + " needs a value behind it"};
      }
    }
    if (is_config) {
      line->config = argument.value;
    } else {
      line->values.push_back({entry, flag, argument.value});
    }
  }
  return {};
}

Status OptionSet::read_environment() {
  for (Entry& entry : entries_) {
    const char* value = std::getenv(entry.variable.c_str());
    // Empty counts as not set: that is what a template with nothing to put in leaves behind.
    if (value == nullptr || *value == '\0') continue;
    if (Status status = assign(entry, entry.variable, value); !status.ok()) return status;
  }
  return {};
}

Status OptionSet::assign(Entry& entry, const std::string& place, std::string_view text) {
  const Status status = set_option_value(entry.option.target, text);
  if (!status.ok()) return at(place, status);
  entry.place = place;
  return {};
}

OptionSet::Entry* OptionSet::find_flag(std::string_view name) {
  for (Entry& entry : entries_) {
    if (entry.long_flag == name || (!entry.option.flag.empty() && entry.option.flag == name)) {
      return &entry;
    }
  }
  return nullptr;
}

Status OptionSet::unexpected_argument(std::string_view argument) const {
  const std::string shown(argument.substr(0, 100));
  if (argument.empty() || argument[0] != '-') {
    return {StatusCode::kInvalidArgument,
            "unexpected argument \"" + shown + "\"; " + program_ + " --help lists what it takes"};
  }
  std::vector<std::string> names{"--config", "--check-config", "--version", "--help"};
  for (const Entry& entry : entries_) {
    if (entry.option.secret) continue;
    names.push_back("--" + entry.long_flag);
    if (!entry.option.flag.empty()) names.push_back("--" + entry.option.flag);
  }
  const std::string nearest = nearest_name(shown, names);
  return {StatusCode::kInvalidArgument,
          "unknown flag " + shown + (nearest.empty() ? "" : "; did you mean " + nearest + "?") +
              (nearest.empty() ? "; " : " ") + program_ + " --help lists all"};
}

std::string OptionSet::help() const {
  struct Row {
    std::string left;
    std::string right;
  };
  std::vector<Row> rows;
  for (const Entry& entry : entries_) {
    const Option& option = entry.option;
    std::string value = option.value;
    if (value.empty()) value = std::string(option_value_placeholder(option.target));
    if (option.secret) {
      rows.push_back({entry.variable, option.help + " (a variable, never a flag)"});
      continue;
    }
    std::string left = "--" + (option.flag.empty() ? entry.long_flag : option.flag);
    if (!value.empty() && !is_bool(option)) left += " " + value;
    std::string right = option.help;
    if (!is_bool(option) && !entry.default_text.empty()) {
      right += " (default " + entry.default_text + ")";
    }
    if (left != "--" + entry.long_flag && !option.flag.empty() && option.flag != entry.long_flag) {
      right += " [--" + entry.long_flag + "]";
    }
    rows.push_back({left, right});
  }
  rows.push_back({"--config FILE", "read options from a YAML file first"});
  rows.push_back({"--check-config", "check the options and leave: 0 good, 2 not"});
  rows.push_back({"--version", "print the version and leave"});
  rows.push_back({"--help", "print this and leave"});

  std::size_t width = 0;
  for (const Row& row : rows) width = std::max(width, row.left.size());
  std::string text = program_ + ": " + summary_ + "\n\nUsage: " + program_ + " [options]" +
                     (operands_.empty() ? "" : " " + operands_) + "\n\n";
  for (const Row& row : rows) {
    text += "  " + row.left + std::string(width - row.left.size() + 2, ' ') + row.right + "\n";
  }
  if (!entries_.empty()) {
    const Entry& example = entries_.front();
    text += "\nEach option is also a key of the YAML file and an environment variable: " +
            example.option.key + ", " + example.variable +
            ".\nFlags win over variables, variables over the file.\n";
  }
  if (!notes_.empty()) text += "\n" + notes_;
  return text;
}

std::string_view version() { return IMGREC_VERSION; }

std::string version_line(std::string_view program) {
  return std::string(program).append(" ").append(version());
}

}  // namespace imgrec
