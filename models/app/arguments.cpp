#include "models/app/arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace imgrec::models {
namespace {

Status usage(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

bool contains(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

template <class Number>
bool read_whole(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<Arguments> Arguments::parse(const std::vector<std::string>& words, const Syntax& syntax) {
  Arguments arguments;
  bool flags_ended = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (flags_ended || word.size() < 2 || word[0] != '-') {
      arguments.operands_.push_back(word);
      continue;
    }
    if (word == "--") {
      flags_ended = true;
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const bool takes_value = contains(syntax.values, name);
    if (!takes_value && !contains(syntax.switches, name)) return usage("unknown flag " + name);
    std::string value;
    if (!takes_value && equals != std::string::npos) return usage(name + " takes no value");
    if (takes_value && equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else if (takes_value) {
      if (i + 1 == words.size()) return usage(name + " needs a value");
      value = words[++i];
    }
    if (takes_value && value.empty()) return usage(name + " needs a value");
    if (!arguments.flags_.emplace(name, std::move(value)).second) {
      return usage(name + " is given twice");
    }
  }
  for (std::string_view name : syntax.required) {
    if (!arguments.has(name)) return usage(std::string(name) + " is missing");
  }
  const std::size_t count = arguments.operands_.size();
  if (count < syntax.min_operands) return usage(std::string(syntax.operand) + " is missing");
  if (count > syntax.max_operands) {
    return usage("unexpected argument " + arguments.operands_[syntax.max_operands]);
  }
  return arguments;
}

std::string Arguments::value(std::string_view name, std::string fallback) const {
  const auto found = flags_.find(std::string(name));
  return found == flags_.end() ? std::move(fallback) : found->second;
}

Result<std::pair<unsigned, unsigned>> parse_size(std::string_view name, const std::string& text) {
  const std::size_t x = text.find('x');
  std::pair<unsigned, unsigned> size{0, 0};
  const std::string_view view = text;
  const bool good = x != std::string::npos && read_whole(view.substr(0, x), size.first) &&
                    read_whole(view.substr(x + 1), size.second);
  if (!good || size.first < 1 || size.second < 1 || size.first > 8192 || size.second > 8192) {
    return usage(std::string(name) + " " + text +
                 ": needs width and height from 1 to 8192, such as 256x256");
  }
  return size;
}

Result<std::vector<double>> parse_numbers(std::string_view name, const std::string& text,
                                          std::size_t count) {
  std::vector<double> numbers;
  bool good = true;
  for (std::string_view rest = text; good;) {
    const std::size_t comma = rest.find(',');
    double number = 0;
    good = read_whole(rest.substr(0, comma), number) && std::isfinite(number);
    numbers.push_back(number);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (!good || numbers.size() != count) {
    return usage(std::string(name) + " " + text + ": needs " + std::to_string(count) +
                 (count == 1 ? " number" : " numbers with commas between"));
  }
  return numbers;
}

Result<unsigned> parse_count(std::string_view name, const std::string& text, unsigned min,
                             unsigned max) {
  unsigned count = 0;
  if (!read_whole(text, count) || count < min || count > max) {
    return usage(std::string(name) + " " + text + ": needs a whole number from " +
                 std::to_string(min) + " to " + std::to_string(max));
  }
  return count;
}

}  // namespace imgrec::models
