#include "common/logging.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace imgrec {
namespace {

constexpr std::size_t kMaxLogTextBytes = 200;

// Length of the UTF-8 character at `at`, or 0 where the bytes are none (RFC 3629), or one that a
// terminal may obey: U+0080 to U+009F are control characters too.
std::size_t printable_utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(at);
  const std::size_t length = lead >= 0xF0 ? 4 : (lead >= 0xE0 ? 3 : 2);
  if (lead < 0xC2 || lead > 0xF4 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  }
  const unsigned second = byte(at + 1);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool out_of_range = (lead == 0xED && second > 0x9F) || (lead == 0xF4 && second > 0x8F);
  const bool control = lead == 0xC2 && second < 0xA0;
  return overlong || out_of_range || control ? 0 : length;
}

std::string hex_escape(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(c);
  return {'\\', 'x', kDigits[value >> 4], kDigits[value & 15]};
}

}  // namespace

Status init_logging(std::string_view program, std::string_view level) {
  constexpr std::array<std::pair<std::string_view, spdlog::level::level_enum>, 5> kLevels{
      {{"trace", spdlog::level::trace},
       {"debug", spdlog::level::debug},
       {"info", spdlog::level::info},
       {"warn", spdlog::level::warn},
       {"error", spdlog::level::err}}};
  for (const auto& [name, value] : kLevels) {
    if (name != level) continue;
    auto logger = std::make_shared<spdlog::logger>(
        std::string(program), std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %n %v", spdlog::pattern_time_type::utc);
    logger->set_level(value);
    spdlog::set_default_logger(std::move(logger));
    return {};
  }
  return {StatusCode::kInvalidArgument,
          "log level " + log_text(level) + " is none of trace, debug, info, warn, error"};
}

std::string log_text(std::string_view text) {
  const bool cut = text.size() > kMaxLogTextBytes;
  std::string out;
  bool quote = text.empty() || cut;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const std::size_t length = byte < 0x80 ? 1 : printable_utf8_length(text, i);
    if (i + std::max<std::size_t>(length, 1) > kMaxLogTextBytes) break;
    if (c == ' ' || c == '=') quote = true;
    if (length == 0 || byte < 0x20 || byte == 0x7F) {
      quote = true;
      out += c == '\n' ? "\\n" : (c == '\r' ? "\\r" : (c == '\t' ? "\\t" : hex_escape(c)));
    } else if (c == '"' || c == '\\') {
      quote = true;
      out += '\\';
      out += c;
    } else {
      out += text.substr(i, length);
    }
    i += std::max<std::size_t>(length, 1);
  }
  if (cut) out += "…";
  return quote ? std::string("\"").append(out).append("\"") : out;
}

std::optional<std::uint64_t> LogLimiter::admit(TimePoint now) {
  if (!began_ || now - *began_ >= period_) {
    began_ = now;
    logged_ = 0;
  }
  if (logged_ == burst_) {
    ++left_out_;
    return std::nullopt;
  }
  ++logged_;
  return std::exchange(left_out_, 0);
}

}  // namespace imgrec
