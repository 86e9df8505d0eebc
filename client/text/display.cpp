#include "client/text/display.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include "proto/text.h"

namespace imgrec::client {
namespace {

constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
constexpr std::size_t kMaxText = 64 * 1024;

struct Range {
  char32_t first;
  char32_t last;
};

// The ranges that matter for file names and labels, of Unicode 15's EastAsianWidth (W, F) and of
// the general category Mn, Me, Cf; not all of them.
constexpr std::array kWide{
    Range{0x1100, 0x115F},   Range{0x2E80, 0x303E},   Range{0x3041, 0xA4CF},
    Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
    Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F300, 0x1F64F},
    Range{0x1F680, 0x1F6FF}, Range{0x1F900, 0x1F9FF}, Range{0x20000, 0x3FFFD}};
constexpr std::array kNoWidth{Range{0x0300, 0x036F}, Range{0x0483, 0x0489}, Range{0x0591, 0x05BD},
                              Range{0x064B, 0x065F}, Range{0x200B, 0x200F}, Range{0x20D0, 0x20F0},
                              Range{0xFE00, 0xFE0F}, Range{0xFE20, 0xFE2F}};
// What changes the direction of writing: a name could show itself backwards.
constexpr std::array kTurning{Range{0x200E, 0x200F}, Range{0x202A, 0x202E}, Range{0x2066, 0x2069}};

template <std::size_t N>
bool within(const std::array<Range, N>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const Range& range) { return range.first <= c && c <= range.last; });
}

struct Character {
  std::string_view bytes;
  char32_t value = 0;
  std::size_t width() const { return within(kNoWidth, value) ? 0 : within(kWide, value) ? 2 : 1; }
};

// REQUIRES: valid UTF-8; of anything else, a byte each.
std::vector<Character> characters(std::string_view text) {
  std::vector<Character> all;
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text[0]);
    std::size_t length = lead < 0x80    ? 1
                         : lead >= 0xF0 ? 4
                         : lead >= 0xE0 ? 3
                         : lead >= 0xC0 ? 2
                                        : 1;
    length = std::min(length, text.size());
    char32_t value = length == 1 ? lead : lead & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
      value = value << 6 | (static_cast<unsigned char>(text[i]) & 0x3Fu);
    }
    all.push_back({text.substr(0, length), value});
    text.remove_prefix(length);
  }
  return all;
}

std::string format(const char* pattern, double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), pattern, value);
  return text.data();
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

bool has_synset(std::string_view line) {
  return line.size() > 9 && std::string_view("nvars").find(line[0]) != line.npos &&
         line.find_first_not_of("0123456789", 1) == 9 && line[9] == ' ';
}

}  // namespace

std::string readable_label(std::string_view line) {
  std::string_view names = trimmed(line);
  if (has_synset(names)) names = trimmed(names.substr(10));
  const std::string_view first = trimmed(names.substr(0, names.find(',')));
  if (!first.empty()) return std::string(first);
  return names.empty() ? "unnamed class" : std::string(names);
}

std::string percent(double score) {
  const double p = std::clamp(score, 0.0, 1.0) * 100;
  if (p > 99 && p < 100) return ">99%";
  if (p > 0 && p < 1) return "<1%";
  return format("%.0f%%", std::round(p));
}

std::string duration(double milliseconds) {
  if (milliseconds < 1) return "<1 ms";
  if (milliseconds < 999.5) return format("%.0f ms", milliseconds);
  const double seconds = milliseconds / 1000;
  if (seconds < 9.995) return format("%.2f s", seconds);
  if (seconds < 59.95) return format("%.1f s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::min(std::round(seconds), 1e15));
  return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
}

std::string byte_size(std::uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits{"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return format("%.1f ", value) + kUnits[unit];
}

std::string count_of(std::uint64_t count, std::string_view one) {
  return std::to_string(count) + " " + std::string(one) + (count == 1 ? "" : "s");
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (const Character& character : characters(text)) width += character.width();
  return width;
}

std::string fit(std::string_view text, std::size_t width, bool keep_end) {
  const std::size_t wanted = display_width(text);
  if (wanted <= width) return std::string(text) + std::string(width - wanted, ' ');
  std::vector<Character> all = characters(text);
  if (keep_end) std::reverse(all.begin(), all.end());
  std::vector<Character> kept;
  std::size_t used = 1;  // the ellipsis
  for (const Character& character : all) {
    if (used + character.width() > width) break;
    used += character.width();
    kept.push_back(character);
  }
  if (keep_end) std::reverse(kept.begin(), kept.end());
  std::string cut = keep_end ? std::string(kEllipsis) : std::string();
  for (const Character& character : kept) cut += character.bytes;
  if (!keep_end) cut += kEllipsis;
  return cut + std::string(width - used, ' ');
}

std::string harmless(std::string_view text) {
  const std::string clean = proto::clean_text(text, kMaxText);
  std::string shown;
  for (const Character& character : characters(clean)) {
    shown += within(kTurning, character.value) ? std::string_view("\xEF\xBF\xBD") : character.bytes;
  }
  return shown;
}

}  // namespace imgrec::client
