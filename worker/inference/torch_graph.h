// Reads a TorchScript classifier as a Graph.
//
// Thread rule: pure function.
// Owns: nothing.
#pragma once

#include "proto/status.h"
#include "worker/graph/graph.h"
#include "worker/inference/torch_network.h"

namespace imgrec::worker {

// The module, frozen (which folds batch normalisation into convolutions), node by node. Names of
// tensors come from the module, which model.yaml's sum pins down.
// kUnsupported: it does something that a Graph has no node for; the text names it. Such a module
// runs in LibTorch itself.
Result<Graph> read_torch_graph(const ModuleFile& file, NetworkShape shape);

}  // namespace imgrec::worker
