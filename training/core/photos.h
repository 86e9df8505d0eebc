// Labelled pictures in memory, all of one size, as training and evaluation take them.
//
// Thread rule: plain value. Owns: the pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "training/core/random.h"

namespace imgrec::training {

struct Photos {
  unsigned size = 0;                  // width and height, pixels
  std::vector<std::string> classes;   // sorted; a label is an index into them
  std::vector<std::uint8_t> pixels;   // picture by picture, row by row, RGB
  std::vector<std::uint32_t> labels;  // of each picture

  std::size_t count() const { return labels.size(); }
  std::size_t bytes_each() const { return std::size_t{3} * size * size; }
  const std::uint8_t* picture(std::size_t i) const { return pixels.data() + i * bytes_each(); }
};

struct Split {
  std::vector<std::size_t> train;
  std::vector<std::size_t> held_out;
};

// Keeps `percent` of each class apart, the same ones for the same seed; at least one picture of
// each class stays on either side where it has two.
Split split_photos(const Photos& photos, unsigned percent, std::uint64_t seed);

// What the network is told of a pixel: (value - mean) * scale, channel by channel.
struct Normalisation {
  double mean[3] = {125.0, 123.0, 114.0};
  double scale = 1.0 / 63.0;
};

// One picture as 3 x size x size floats, channel by channel, to `out`.
void normalise(const std::uint8_t* rgb, unsigned size, const Normalisation& how, float* out);

struct Augmentation {
  bool mirrored = false;
  // With a square of a quarter of its side blanked somewhere: DeVries and Taylor, "Improved
  // Regularization of Convolutional Neural Networks with Cutout" (2017).
  bool blanked = false;
  // Contrast and brightness are changed by up to so much either way, at random: the one as a part
  // of itself, the other in units of what the network is told.
  double light = 0;
};

// The same, first shifted by up to a sixteenth each way (what comes in is the reflection of what is
// there). The random numbers that are drawn are as many whatever is done.
void augment(const std::uint8_t* rgb, unsigned size, const Normalisation& how, Augmentation what,
             Random& random, float* out);

// Whether picture number `index` is mirrored in this epoch: half of the pictures are, and each of
// them in every other epoch, so that any two epochs in a row show all pictures both ways. Jordan,
// "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024), section 3.6.
bool mirrored_in(std::size_t index, unsigned epoch, std::uint64_t seed);

}  // namespace imgrec::training
