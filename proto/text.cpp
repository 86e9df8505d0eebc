#include "proto/text.h"

#include <algorithm>

namespace imgrec::proto {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

struct Character {
  std::size_t bytes = 1;  // how many belong together; of an ill-formed one, the maximal subpart
  bool valid = false;
};

bool within(unsigned char byte, unsigned char low, unsigned char high) {
  return low <= byte && byte <= high;
}

// Table 3-7 of the Unicode standard: which bytes may follow which first byte.
// REQUIRES: !text.empty().
Character first_character(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {1, true};
  std::size_t length = 0;
  if (within(lead, 0xC2, 0xDF)) length = 2;
  if (within(lead, 0xE0, 0xEF)) length = 3;
  if (within(lead, 0xF0, 0xF4)) length = 4;
  if (length == 0) return {1, false};
  for (std::size_t i = 1; i < length; ++i) {
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (i == 1) {
      if (lead == 0xE0) low = 0xA0;   // else overlong
      if (lead == 0xED) high = 0x9F;  // else a surrogate
      if (lead == 0xF0) low = 0x90;   // else overlong
      if (lead == 0xF4) high = 0x8F;  // else above U+10FFFF
    }
    if (i >= text.size() || !within(at(i), low, high)) return {i, false};
  }
  return {length, true};
}

// REQUIRES: `character` is one valid UTF-8 character.
std::string_view shown(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (lead == '\t' || lead == '\n' || lead == '\r') return " ";
  if (lead < 0x20 || lead == 0x7F) return kReplacement;
  if (lead == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0) return kReplacement;  // C1
  return character;
}

}  // namespace

std::string_view cut_text(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  // No character is longer than four bytes, so only its first three can stand before the cut.
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, max_bytes); ++back) {
    const std::size_t start = max_bytes - back;
    const Character character = first_character(text.substr(start));
    if (character.valid && character.bytes > back) return text.substr(0, start);
  }
  return text.substr(0, max_bytes);
}

std::string clean_text(std::string_view text, std::size_t max_bytes) {
  std::string clean;
  clean.reserve(std::min(text.size(), max_bytes));
  while (!text.empty()) {
    const Character character = first_character(text);
    const std::string_view piece =
        character.valid ? shown(text.substr(0, character.bytes)) : kReplacement;
    if (clean.size() + piece.size() > max_bytes) break;
    clean += piece;
    text.remove_prefix(character.bytes);
  }
  return clean;
}

}  // namespace imgrec::proto
