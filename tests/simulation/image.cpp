#include "tests/simulation/image.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace imgrec::simulation {

std::string_view to_string(ImageKind kind) {
  switch (kind) {
    case ImageKind::kGood:
      return "good";
    case ImageKind::kDamaged:
      return "damaged";
    case ImageKind::kNotAnImage:
      return "not an image";
    case ImageKind::kKiller:
      return "kills its worker";
    case ImageKind::kHanger:
      return "hangs its worker";
  }
  return "unknown";
}

proto::SharedBytes make_image(ImageKind kind, Random& random) {
  std::string bytes(8 * random.between(8, 60), '\0');
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(&bytes[at], &word, sizeof word);
  }
  bytes[0] = static_cast<char>(kind);
  return std::make_shared<const std::string>(std::move(bytes));
}

ImageKind kind_of(std::string_view image) { return static_cast<ImageKind>(image.front()); }

proto::ScoredClass recognise(std::string_view image) {
  std::uint64_t hash = 0;
  for (std::size_t at = 0; at + 8 <= image.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, &image[at], sizeof word);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 31;
  }
  const auto bits = static_cast<float>(hash >> 44);
  return {static_cast<std::uint32_t>(hash % kLabels), 0.5f + bits / (1u << 22)};
}

}  // namespace imgrec::simulation
