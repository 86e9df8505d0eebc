// Small text helpers for HTTP: case folding, trimming, percent-decoding, UTF-8 and JSON.
//
// Thread rule: pure functions.
// Owns: nothing; views returned point into their arguments.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace imgrec::manager {

// ASCII only, as in HTTP.
std::string to_lower(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);
// Without spaces and tabs at either end.
std::string_view trim(std::string_view text);

// Is it a `token` of RFC 9110, section 5.6.2 (a method, a field name)?
bool is_token(std::string_view text);
// A field value without CR, LF, NUL or other control characters (tab is allowed).
bool is_field_value(std::string_view text);
// Does a comma-separated list ("keep-alive, Upgrade") hold this token, ignoring case?
bool list_contains(std::string_view list, std::string_view token);

enum class PlusSign { kLiteral, kSpace };  // forms write a space as '+', paths do not

// RFC 3986, section 2.1. nullopt where '%' is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text, PlusSign plus);

bool is_valid_utf8(std::string_view text);
// The longest prefix of at most `max_bytes` that does not end inside a UTF-8 sequence.
std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes);

// A JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD.
std::string json_quote(std::string_view text);

}  // namespace imgrec::manager
