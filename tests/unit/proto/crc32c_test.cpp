#include "proto/crc32c.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

namespace imgrec::proto {
namespace {

std::string count_up(int first, int step) {
  std::string bytes;
  for (int i = 0; i < 32; ++i) bytes += static_cast<char>(first + step * i);
  return bytes;
}

struct Vector {
  std::string bytes;
  std::uint32_t crc;
};

// RFC 3720, appendix B.4 (there in transmission order), and the catalogue's check value.
std::vector<Vector> known_vectors() {
  return {{"", 0},
          {std::string(32, '\0'), 0x8A9136AA},
          {std::string(32, '\xFF'), 0x62A8AB43},
          {count_up(0, 1), 0x46DD794E},
          {count_up(31, -1), 0x113FDB5C},
          {std::string("\x01\xc0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
                       "\x14\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x14\x00\x00\x00\x18"
                       "\x28\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00",
                       48),
           0xD9963A56},
          {"123456789", 0xE3069283}};
}

std::string random_bytes(std::size_t count) {
  std::mt19937 random(count);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST(Crc32c, MatchesTheKnownVectors) {
  for (const auto& [bytes, crc] : known_vectors()) {
    EXPECT_EQ(crc32c(bytes), crc) << bytes.size() << " bytes";
    EXPECT_EQ(crc32c_tables(bytes), crc) << bytes.size() << " bytes";
  }
}

TEST(Crc32c, ContinuesASumOverAnySplit) {
  const std::string bytes = random_bytes(67);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const std::string_view head = std::string_view(bytes).substr(0, cut);
    const std::string_view tail = std::string_view(bytes).substr(cut);
    EXPECT_EQ(crc32c(tail, crc32c(head)), crc32c(bytes)) << "cut after " << cut;
    EXPECT_EQ(crc32c_tables(tail, crc32c_tables(head)), crc32c(bytes)) << "cut after " << cut;
  }
}

TEST(Crc32c, InstructionAndTablesAgreeAtEveryLengthAndAlignment) {
  if (!crc32c_has_instruction()) GTEST_SKIP() << "this processor has no CRC-32C instruction";
  const std::string bytes = random_bytes(200);
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t length = 0; start + length <= bytes.size(); ++length) {
      const std::string_view part = std::string_view(bytes).substr(start, length);
      ASSERT_EQ(crc32c_instruction(part, 0x12345678), crc32c_tables(part, 0x12345678))
          << length << " bytes from " << start;
    }
  }
}

}  // namespace
}  // namespace imgrec::proto
