// Base64 (RFC 4648, section 4), as JSON carries bytes.
//
// Thread rule: a pure function. Owns: nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace imgrec::manager {

// Padding may be left out, and lines may be broken: encoders differ in both. nullopt where anything
// else is no base64.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace imgrec::manager
