// What a network was trained on and how: what tells a training's checkpoint from those of others.
//
// Thread rule: plain value, pure functions. Owns: its texts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace imgrec::training {

struct Provenance {
  std::vector<std::string> classes;  // in the order of the network's outputs
  std::string digest;                // of all pictures, and of which of them are held out
  std::uint64_t pictures = 0;        // learned from
  unsigned size = 0;                 // of a picture, pixels each way
  unsigned width = 0;                // of the network, percent
  unsigned batch = 0;
  double rate = 0;
  std::uint64_t seed = 0;
};

// Why a training of `ours` cannot go on from a checkpoint of `theirs`, to be put behind its name;
// empty where it can. The numbers of epochs and whatever else may change are in neither.
std::string why_not_go_on(const Provenance& theirs, const Provenance& ours);

// Likewise, why the networks of both cannot be asked together: they are of other pictures. What one
// has learned from the other one's scores would be chosen by.
std::string why_not_together(const Provenance& theirs, const Provenance& ours);

}  // namespace imgrec::training
