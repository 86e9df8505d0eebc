// Digests of several texts, told apart, and bytes as hex digits. SHA-256 (FIPS 180-4) where nobody
// may find other texts of the same digest; XXH3 (Yann Collet's, 128 bits), which costs next to
// nothing, where there is nothing to gain by finding them.
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

// 32 lower-case hex digits; of the parts' lengths, too.
std::string xxh3_hex(std::span<const std::string_view> parts);

}  // namespace imgrec::manager
