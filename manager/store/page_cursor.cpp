#include "manager/store/page_cursor.h"

#include <charconv>

namespace imgrec::manager {
namespace {

constexpr int kRounds = 4;

// The finaliser of splitmix64: every input bit moves every output bit.
std::uint32_t mix(std::uint32_t half, std::uint64_t key, int round) {
  std::uint64_t x = key + half + (static_cast<std::uint64_t>(round) + 1) * 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return static_cast<std::uint32_t>(x >> 32);
}

}  // namespace

std::string encode_cursor(JobId job, std::uint64_t key) {
  auto left = static_cast<std::uint32_t>(job.value >> 32);
  auto right = static_cast<std::uint32_t>(job.value);
  for (int round = 0; round < kRounds; ++round) {
    const std::uint32_t next = left ^ mix(right, key, round);
    left = right;
    right = next;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const std::uint32_t half : {left, right}) {
    for (int shift = 28; shift >= 0; shift -= 4) text += kHex[(half >> shift) & 15];
  }
  return text;
}

std::optional<JobId> decode_cursor(std::string_view text, std::uint64_t key) {
  if (text.size() != 16) return std::nullopt;
  if (text.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  auto left = static_cast<std::uint32_t>(value >> 32);
  auto right = static_cast<std::uint32_t>(value);
  for (int round = kRounds - 1; round >= 0; --round) {
    const std::uint32_t previous = right ^ mix(left, key, round);
    right = left;
    left = previous;
  }
  const std::uint64_t job = (std::uint64_t{left} << 32) | right;
  if (job >> 48 != 0) return std::nullopt;  // what a made-up cursor gives
  return JobId{job};
}

}  // namespace imgrec::manager
