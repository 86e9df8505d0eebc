#include "link/core/command.h"

namespace imgrec::link {
namespace {

constexpr std::string_view kUsage =
    "the commands are: stats; reset; down LINK; up LINK; set LINK both|a-to-b|b-to-a KEY=VALUE ...";

Status wrong(std::string_view what) {
  return {StatusCode::kInvalidArgument, std::string(what).append("; ").append(kUsage)};
}

// Takes the first word off `text`.
std::string_view take_word(std::string_view& text) {
  const auto begin = text.find_first_not_of(' ');
  text.remove_prefix(begin == text.npos ? text.size() : begin);
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

Result<Command> parse_set(std::string_view rest) {
  Command command{Command::Kind::kSet, std::string(take_word(rest)), false, false, ""};
  const std::string_view direction = take_word(rest);
  command.a_to_b = direction == "both" || direction == "a-to-b";
  command.b_to_a = direction == "both" || direction == "b-to-a";
  if (!command.a_to_b && !command.b_to_a) {
    return wrong("set needs a link, and a direction: both, a-to-b or b-to-a");
  }
  command.settings = std::string(rest);
  if (rest.find_first_not_of(' ') == rest.npos) return wrong("set has nothing to set");
  DirectionSettings any;
  if (Status status = set_settings(any, command.settings); !status.ok()) return status;
  return command;
}

}  // namespace

Result<Command> parse_command(std::string_view line) {
  if (line.size() > kMaxCommandBytes) return wrong("the command is longer than 1024 bytes");
  std::string_view rest = line;
  const std::string_view verb = take_word(rest);
  if (verb == "set") return parse_set(rest);
  if (verb == "down" || verb == "up") {
    Command command{Command::Kind::kSet, std::string(take_word(rest)), true, true, "down="};
    command.settings += verb == "down" ? "true" : "false";
    if (command.link.empty()) return wrong("which link?");
    if (!take_word(rest).empty()) return wrong("there is more behind the link's name");
    return command;
  }
  if (!take_word(rest).empty()) return wrong("there is more behind the command");
  if (verb == "stats") return Command{};
  if (verb == "reset") return Command{Command::Kind::kReset, "", false, false, ""};
  return wrong("unknown command");
}

}  // namespace imgrec::link
