// CRC-32C (Castagnoli, RFC 3720 appendix B.4; polynomial 0x1EDC6F41, reflected 0x82F63B78), the
// check sum of our frames. By the processor's instruction where it has one, else by tables.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <cstdint>
#include <string_view>

namespace imgrec::proto {

// The sum of `bytes`, continuing `crc`: crc32c(b, crc32c(a)) == crc32c(a + b).
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

// The two ways to compute it, for tests and benchmarks; crc32c() chooses.
std::uint32_t crc32c_tables(std::string_view bytes, std::uint32_t crc = 0);
bool crc32c_has_instruction();
// REQUIRES: crc32c_has_instruction().
std::uint32_t crc32c_instruction(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace imgrec::proto
