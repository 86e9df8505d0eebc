// The images of the simulation and the engine that recognises them: all that is to be known of an
// image is in its bytes, so that an answer can be checked against the image it is stored for.
//
// Thread rule: plain functions and values. Owns nothing.
#pragma once

#include <string_view>

#include "proto/messages.h"
#include "tests/simulation/random.h"

namespace imgrec::simulation {

enum class ImageKind : char {
  kGood = 'G',
  kDamaged = 'D',     // fails with kDamaged wherever it is decoded
  kNotAnImage = 'N',  // the same with kNotAnImage
  kKiller = 'K',      // its inference ends the worker process
  kHanger = 'H',      // its inference never ends
};
std::string_view to_string(ImageKind kind);
inline bool is_poison(ImageKind kind) {
  return kind == ImageKind::kKiller || kind == ImageKind::kHanger;
}

inline constexpr unsigned kLabels = 16;

// A few hundred bytes; no two are alike.
proto::SharedBytes make_image(ImageKind kind, Random& random);
// REQUIRES: made by make_image.
ImageKind kind_of(std::string_view image);

// The best class. Its score has 20 bits of the image's hash in it, so that an answer to another
// image is told apart even where the class is the same.
proto::ScoredClass recognise(std::string_view image);

}  // namespace imgrec::simulation
