#include "link/core/settings.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

namespace imgrec::link {
namespace {

constexpr double kMaxSeconds = 60;
constexpr double kMinRate = 1e3;
constexpr double kMaxRate = 1e11;
constexpr double kMaxQueueBytes = 1e9;
constexpr double kMaxBurst = 1e6;

struct Unit {
  std::string_view name;
  double factor;
};
constexpr std::array<Unit, 3> kTimeUnits{{{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}}};
constexpr std::array<Unit, 4> kRateUnits{{{"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}}};
constexpr std::array<Unit, 3> kSizeUnits{{{"B", 1}, {"KiB", 1024}, {"MiB", 1048576}}};
constexpr std::array<Unit, 2> kShareUnits{{{"%", 0.01}, {"", 1}}};
constexpr std::array<Unit, 1> kNoUnit{{{"", 1}}};

Status invalid(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

std::string shown(std::string_view text) {
  std::string safe("\"");
  for (const char c : text.substr(0, 60)) safe += c >= ' ' && c < 0x7F ? c : '?';
  return safe + "\"";
}

// A number that is not negative, with one of `units` behind it; "0" needs none.
template <std::size_t N>
std::optional<double> parse(std::string_view text, const std::array<Unit, N>& units) {
  if (text == "0") return 0;
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number) || std::signbit(number)) return std::nullopt;
  for (const Unit& unit : units) {
    if (std::string_view(rest, static_cast<std::size_t>(end - rest)) == unit.name) {
      return number * unit.factor;
    }
  }
  return std::nullopt;
}

Status set_share(double& target, std::string_view text) {
  const auto share = parse(text, kShareUnits);
  if (!share || *share > 1) {
    return invalid(shown(text) + " is not a share such as 10% or 0.1, of 100% at most");
  }
  target = *share;
  return {};
}

Status set_rate(std::uint64_t& target, std::string_view text) {
  const auto rate = parse(text, kRateUnits);
  if (!rate || (*rate != 0 && (*rate < kMinRate || *rate > kMaxRate))) {
    return invalid(shown(text) +
                   " is not a rate such as 100mbit or 64kbit, of 1kbit to 100gbit, or 0 for none");
  }
  target = static_cast<std::uint64_t>(std::llround(*rate));
  return {};
}

Status set_queue(QueueLimit& target, std::string_view text) {
  if (const auto bytes = parse(text, kSizeUnits); bytes && text != "0") {
    if (*bytes < 1 || *bytes > kMaxQueueBytes) {
      return invalid(shown(text) + " is not between 1B and 1 GB");
    }
    target = {Duration(0), static_cast<std::uint64_t>(std::llround(*bytes))};
    return {};
  }
  Duration time{0};
  if (!set_time(time, text).ok()) {
    return invalid(shown(text) + " is neither a time such as 100ms nor a size such as 64KiB");
  }
  target = {time, 0};
  return {};
}

Status set_burst(double& target, std::string_view text) {
  const auto packets = parse(text, kNoUnit);
  if (!packets || (*packets != 0 && *packets < 1) || *packets > kMaxBurst) {
    return invalid(shown(text) +
                   " is not a mean number of packets from 1 to 1000000, or 0 for none");
  }
  target = *packets;
  return {};
}

Status set_bool(bool& target, std::string_view text) {
  if (text != "true" && text != "false") return invalid(shown(text) + " is neither true nor false");
  target = text == "true";
  return {};
}

Status set_shape(JitterShape& target, std::string_view text) {
  if (text != "uniform" && text != "normal") {
    return invalid(shown(text) + " is neither uniform nor normal");
  }
  target = text == "normal" ? JitterShape::kNormal : JitterShape::kUniform;
  return {};
}

}  // namespace

Status set_time(Duration& target, std::string_view text) {
  const auto ns = parse(text, kTimeUnits);
  if (!ns) return invalid(shown(text) + " is not a time such as 50ms, 0.5ms, 250us or 1.5s");
  if (*ns > kMaxSeconds * 1e9) return invalid(shown(text) + " is longer than the limit of 60s");
  target = Duration(std::llround(*ns));
  return {};
}

Status set_setting(DirectionSettings& settings, std::string_view key, std::string_view value) {
  const auto named = [key](Status status) {
    return status.ok() ? status : invalid(std::string(key) + ": " + status.message());
  };
  if (key == "delay") return named(set_time(settings.delay, value));
  if (key == "jitter") return named(set_time(settings.jitter, value));
  if (key == "jitter-shape") return named(set_shape(settings.jitter_shape, value));
  if (key == "reorder") return named(set_bool(settings.reorder, value));
  if (key == "loss") return named(set_share(settings.loss, value));
  if (key == "burst") return named(set_burst(settings.burst, value));
  if (key == "burst-loss") return named(set_share(settings.burst_loss, value));
  if (key == "rate") return named(set_rate(settings.rate, value));
  if (key == "queue") return named(set_queue(settings.queue, value));
  if (key == "down") return named(set_bool(settings.down, value));
  return invalid("there is no setting " + shown(key) +
                 "; there are delay, jitter, jitter-shape, reorder, loss, burst, burst-loss, rate, "
                 "queue and down");
}

Status set_settings(DirectionSettings& settings, std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  for (auto begin = text.find_first_not_of(kBlanks); begin != text.npos;
       begin = text.find_first_not_of(kBlanks)) {
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
    text.remove_prefix(word.size());
    const auto equals = word.find('=');
    if (equals == word.npos) return invalid(shown(word) + " is not KEY=VALUE, as in delay=50ms");
    Status status = set_setting(settings, word.substr(0, equals), word.substr(equals + 1));
    if (!status.ok()) return status;
  }
  return {};
}

Status check(const DirectionSettings& settings) {
  if (settings.jitter > settings.delay) {
    return invalid("jitter must not be larger than delay: no packet arrives before it was sent");
  }
  if (settings.burst == 0) return {};
  if (settings.loss >= settings.burst_loss) {
    return invalid("loss must be less than burst-loss: between the bursts nothing is lost");
  }
  // The share of bad packets sets how often a good time ends; it cannot end more than always.
  const double bad = settings.loss / settings.burst_loss;
  if (bad / (1 - bad) > settings.burst) {
    return invalid(
        "loss is too large for bursts that short: good times between them would have "
        "less than one packet; make burst larger");
  }
  return {};
}

}  // namespace imgrec::link
