#include "training/core/photos.h"

#include <algorithm>

namespace imgrec::training {
namespace {

struct Square {
  int left = 0, top = 0, side = 0;
  bool has(int x, int y) const {
    return x >= left && x < left + side && y >= top && y < top + side;
  }
};

}  // namespace

Split split_photos(const Photos& photos, unsigned percent, std::uint64_t seed) {
  std::vector<std::vector<std::size_t>> by_class(photos.classes.size());
  for (std::size_t i = 0; i < photos.count(); ++i) by_class[photos.labels[i]].push_back(i);
  Random random(seed);
  Split split;
  for (auto& members : by_class) {
    random.shuffle(members);
    std::size_t kept = members.size() * percent / 100;
    if (percent > 0 && members.size() >= 2) {
      kept = std::clamp<std::size_t>(kept, 1, members.size() - 1);
    }
    const auto border = members.begin() + static_cast<std::ptrdiff_t>(kept);
    split.held_out.insert(split.held_out.end(), members.begin(), border);
    split.train.insert(split.train.end(), border, members.end());
  }
  return split;
}

void normalise(const std::uint8_t* rgb, unsigned size, const Normalisation& how, float* out) {
  const std::size_t plane = std::size_t{size} * size;
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      out[c * plane + i] = static_cast<float>((rgb[3 * i + c] - how.mean[c]) * how.scale);
    }
  }
}

bool mirrored_in(std::size_t index, unsigned epoch, std::uint64_t seed) {
  return Random(seed ^ (index * 0x9e3779b97f4a7c15)).coin() != (epoch % 2 == 1);
}

void augment(const std::uint8_t* rgb, unsigned size, const Normalisation& how, Augmentation what,
             Random& random, float* out) {
  const int side = static_cast<int>(size);
  const int reach = side / 16;
  const auto spread = static_cast<std::uint64_t>(2 * reach + 1);
  const int shift_x = static_cast<int>(random.below(spread)) - reach;
  const int shift_y = static_cast<int>(random.below(spread)) - reach;
  Square blank;
  blank.side = side / 4;
  blank.left = static_cast<int>(random.below(size)) - blank.side / 2;
  blank.top = static_cast<int>(random.below(size)) - blank.side / 2;
  if (!what.blanked) blank.side = 0;
  const double contrast = 1 + what.light * (2 * random.fraction() - 1);
  const double brightness = what.light * (2 * random.fraction() - 1);
  const auto reflected = [side](int at) {
    return at < 0 ? -at : at < side ? at : 2 * (side - 1) - at;
  };

  const std::size_t plane = std::size_t{size} * size;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const int from_x = reflected((what.mirrored ? side - 1 - x : x) + shift_x);
      const int from_y = reflected(y + shift_y);
      const bool shown = !blank.has(x, y);
      const std::size_t from =
          static_cast<std::size_t>(from_y) * size + static_cast<std::size_t>(from_x);
      const std::size_t to = static_cast<std::size_t>(y) * size + static_cast<std::size_t>(x);
      for (std::size_t c = 0; c < 3; ++c) {
        out[c * plane + to] =
            shown ? static_cast<float>((rgb[3 * from + c] - how.mean[c]) * how.scale * contrast +
                                       brightness)
                  : 0.0F;
      }
    }
  }
}

}  // namespace imgrec::training
