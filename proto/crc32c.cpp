#include "proto/crc32c.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace imgrec::proto {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;

// kTables[0] is the usual byte table; kTables[k][b] is the sum of byte b followed by k zero bytes.
// With eight of them, eight bytes are summed by independent look-ups ("slicing by 8": Kounavis and
// Berry, 2005).
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kReflectedPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t shorter = tables[k - 1][byte];
      tables[k][byte] = (shorter >> 8) ^ tables[0][shorter & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint32_t add_byte(std::uint32_t crc, char byte) {
  return (crc >> 8) ^ kTables[0][(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
}

std::uint32_t add_eight_bytes(std::uint32_t crc, const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  word ^= crc;
  crc = 0;
  for (std::size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xFF];
  return crc;
}

}  // namespace

std::uint32_t crc32c_tables(std::string_view bytes, std::uint32_t crc) {
  crc = ~crc;
  if constexpr (std::endian::native == std::endian::little) {  // the word's low byte comes first
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) crc = add_eight_bytes(crc, bytes.data());
  }
  for (const char byte : bytes) crc = add_byte(crc, byte);
  return ~crc;
}

#if defined(__x86_64__)

bool crc32c_has_instruction() {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0;
  return has;
}

// The builtins of <nmmintrin.h>, whose intrinsics need the whole file compiled for SSE4.2.
__attribute__((target("sse4.2"))) std::uint32_t crc32c_instruction(std::string_view bytes,
                                                                   std::uint32_t crc) {
  std::uint64_t sum = ~crc;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    sum = __builtin_ia32_crc32di(sum, word);
  }
  auto narrow = static_cast<std::uint32_t>(sum);
  for (const char byte : bytes) {
    narrow = __builtin_ia32_crc32qi(narrow, static_cast<unsigned char>(byte));
  }
  return ~narrow;
}

#else

bool crc32c_has_instruction() { return false; }

std::uint32_t crc32c_instruction(std::string_view bytes, std::uint32_t crc) {
  return crc32c_tables(bytes, crc);
}

#endif

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
  return crc32c_has_instruction() ? crc32c_instruction(bytes, crc) : crc32c_tables(bytes, crc);
}

}  // namespace imgrec::proto
