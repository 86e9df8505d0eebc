// Text from the other side, made fit to be stored, logged and shown.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace imgrec::proto {

// The longest prefix of at most `max_bytes` that does not end inside a UTF-8 character.
// Bytes that are no UTF-8 count as characters of their own.
std::string_view cut_text(std::string_view text, std::size_t max_bytes);

// Valid UTF-8 of at most `max_bytes`, without control characters: each maximal ill-formed
// sequence (Unicode 15, section 3.9) and each control character becomes U+FFFD, except that tab,
// line feed and carriage return become a space. What does not fit is cut off.
std::string clean_text(std::string_view text, std::size_t max_bytes);

}  // namespace imgrec::proto
