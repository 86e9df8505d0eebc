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

// The same, first shifted by up to an eighth each way (what comes in is the mean's grey), mirrored
// half of the time, and with a square of a quarter of its side blanked somewhere: DeVries and
// Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017). `blanked`:
// whether that is done; the random numbers that are drawn are the same.
void augment(const std::uint8_t* rgb, unsigned size, const Normalisation& how, bool blanked,
             Random& random, float* out);

}  // namespace imgrec::training
