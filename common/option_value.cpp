#include "common/option_value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

namespace imgrec {
namespace {

// No timer of ours makes sense beyond a year, and steady_clock arithmetic cannot overflow below it.
constexpr std::uint64_t kMaxDurationMs = 365ull * 24 * 3600 * 1000;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
// Largest first: option_value_text takes the first that divides.
constexpr std::array<Unit, 4> kDurationUnits{
    {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 4> kSizeUnits{
    {{"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"", 1}}};

Status complaint(std::string_view text, std::string_view what) {
  std::string message = "\"";
  message.append(text).append("\" ").append(what);
  return {StatusCode::kInvalidArgument, std::move(message)};
}

bool has_leading_zero(std::string_view digits) { return digits.size() > 1 && digits[0] == '0'; }

// Digits only: no sign, no space, no leading zero, nothing behind.
std::optional<std::uint64_t> parse_digits(std::string_view text) {
  if (has_leading_zero(text)) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <std::size_t N>
std::optional<std::uint64_t> parse_with_unit(std::string_view text,
                                             const std::array<Unit, N>& units) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_digits(text.substr(0, digits));
  if (!number) return std::nullopt;
  for (const Unit& unit : units) {
    if (text.substr(digits) != unit.name) continue;
    if (*number > std::numeric_limits<std::uint64_t>::max() / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string text_with_unit(std::uint64_t value, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return std::to_string(value / unit.factor) + std::string(unit.name);
    }
  }
  return std::string("0").append(units.back().name);
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Status set(bool& target, std::string_view text) {
  if (text != "true" && text != "false") return complaint(text, "is neither true nor false");
  target = text == "true";
  return {};
}

template <class Integer>
Status set_integer(Integer& target, std::string_view text) {
  constexpr std::uint64_t kMax = std::numeric_limits<Integer>::max();
  const bool all_digits =
      !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  if (all_digits && has_leading_zero(text)) {
    return complaint(text,
                     "has a leading zero, which some read as octal: write the decimal number "
                     "without it");
  }
  const auto value = parse_digits(text);
  if (!value || *value > kMax) {
    return complaint(text, "is not a whole number from 0 to " + std::to_string(kMax));
  }
  target = static_cast<Integer>(*value);
  return {};
}

Status set(std::uint16_t& target, std::string_view text) { return set_integer(target, text); }
Status set(unsigned& target, std::string_view text) { return set_integer(target, text); }
Status set(std::uint64_t& target, std::string_view text) { return set_integer(target, text); }

Status set(double& target, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return complaint(text, "is not a number such as 0.25");
  }
  target = value;
  return {};
}

Status set(std::string& target, std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    return {StatusCode::kInvalidArgument, "the text holds a NUL character"};
  }
  target = std::string(text);
  return {};
}

Status set(std::chrono::milliseconds& target, std::string_view text) {
  const auto value = parse_with_unit(text, kDurationUnits);
  if (!value) return complaint(text, "is not a duration such as 250ms, 10s, 5m or 2h");
  if (*value > kMaxDurationMs) return complaint(text, "is longer than the limit of a year, 8760h");
  target = std::chrono::milliseconds(static_cast<std::int64_t>(*value));
  return {};
}

Status set(ByteSize& target, std::string_view text) {
  const auto value = parse_with_unit(text, kSizeUnits);
  if (!value) return complaint(text, "is not a size such as 65536, 64KiB, 20MiB or 1GiB");
  target.bytes = *value;
  return {};
}

Status set(std::vector<std::string>& target, std::string_view text) {
  std::vector<std::string> items;
  std::string_view rest = text;
  while (!trimmed(text).empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = trimmed(rest.substr(0, comma));
    if (item.empty()) return complaint(text, "has an empty item between commas");
    items.emplace_back(item);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  target = std::move(items);
  return {};
}

std::string shown(bool value) { return value ? "true" : "false"; }
std::string shown(std::uint16_t value) { return std::to_string(value); }
std::string shown(unsigned value) { return std::to_string(value); }
std::string shown(std::uint64_t value) { return std::to_string(value); }
std::string shown(double value) {
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}
std::string shown(const std::string& value) { return value; }
std::string shown(std::chrono::milliseconds value) {
  return text_with_unit(static_cast<std::uint64_t>(value.count()), kDurationUnits);
}
std::string shown(ByteSize value) { return text_with_unit(value.bytes, kSizeUnits); }
std::string shown(const std::vector<std::string>& value) {
  std::string text;
  for (const std::string& item : value) text.append(text.empty() ? "" : ",").append(item);
  return text;
}

// Levenshtein distance, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replace, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

Status set_option_value(const OptionTarget& target, std::string_view text) {
  return std::visit([text](auto* value) { return set(*value, text); }, target);
}

std::string option_value_text(const OptionTarget& target) {
  return std::visit([](const auto* value) { return shown(*value); }, target);
}

std::string_view option_value_placeholder(const OptionTarget& target) {
  return std::visit(
      [](auto* value) -> std::string_view {
        using T = std::remove_pointer_t<decltype(value)>;
        if constexpr (std::is_same_v<T, bool>) return "";
        if constexpr (std::is_same_v<T, std::string>) return "TEXT";
        if constexpr (std::is_same_v<T, std::chrono::milliseconds>) return "DURATION";
        if constexpr (std::is_same_v<T, ByteSize>) return "SIZE";
        if constexpr (std::is_same_v<T, std::vector<std::string>>) return "A,B,...";
        return "N";
      },
      target);
}

std::string nearest_name(std::string_view typed, const std::vector<std::string>& names) {
  // Nothing that long is a slip of the keyboard, and the distance costs its square.
  if (typed.size() > 100) return {};
  std::string best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const std::string& name : names) {
    const std::size_t distance = edit_distance(typed, name);
    if (distance < best_distance && distance <= std::max<std::size_t>(1, name.size() / 3)) {
      best = name;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace imgrec
