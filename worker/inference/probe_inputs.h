// Pictures on which the forms of a network are compared when it is loaded.
//
// Thread rule: pure function.
// Owns: nothing.
#pragma once

#include <vector>

#include "worker/inference/model_folder.h"

namespace imgrec::worker {

// Always the same six pictures, on the way that uploaded ones take: noise, two slopes, and three of
// soft shapes in many colours, as photos are. So the values are those that the network is made for,
// where a wrong rewrite shows; far larger ones would drive it where all rewrites look alike.
std::vector<std::vector<float>> probe_inputs(const ModelSpec& spec);

}  // namespace imgrec::worker
