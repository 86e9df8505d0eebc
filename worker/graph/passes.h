// Rewrites of a graph that change its speed and not its answers.
//
// Thread rule: pure functions.
// Owns: nothing.
#pragma once

#include <string>

#include "worker/graph/graph.h"

namespace imgrec::worker {

// What simplify() did, for logs and tests.
struct Simplifications {
  unsigned normalisations = 0;  // recognised
  unsigned activations = 0;     // fused into the node before them
  unsigned dropped = 0;         // nodes whose output nobody read
};

// Local response normalisation written as arithmetic: x * (1x1 convolution of x², the weights of
// which are one value in a band around the diagonal) ^ -beta becomes one node. Such a band costs
// channels² multiplications a pixel, the node 5 · channels.
unsigned recognise_normalisations(Graph& graph);

// An activation that alone reads a convolution, dense layer or addition becomes part of it.
unsigned fuse_activations(Graph& graph);

// Removes nodes that do not lead to the output.
unsigned drop_unread(Graph& graph);

// All of the above, in the order that makes them meet.
Simplifications simplify(Graph& graph);

}  // namespace imgrec::worker
