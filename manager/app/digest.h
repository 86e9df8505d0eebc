// SHA-256 (FIPS 180-4) of several texts, told apart; bytes as hex digits.
//
// Thread rule: a pure function. Owns: nothing.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace imgrec::manager {

// Two lower-case hex digits for each byte.
std::string hex(std::string_view bytes);

// 64 lower-case hex digits. The length of each part goes into the digest before it, so that no
// other division of the same bytes gives the same.
std::string sha256_hex(std::span<const std::string_view> parts);
std::string sha256_hex(std::initializer_list<std::string_view> parts);

}  // namespace imgrec::manager
