// A graph as a list of steps over numbered buffers, oneDNN's primitives or kernels of ours, ready
// to run on any thread.
//
// Activations are kept channels last: on CPUs with AVX-512 oneDNN's convolutions reach the same
// rate with them as with blocked layouts, in every format, and nothing is reordered between layers.
//
// Thread rule: plan_graph() on a thread that is set to compute alone; a finished plan is constant.
// Owns: the primitives and the weights in the layouts that they want.
// Inner header of this directory: it brings oneDNN in.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

#include "worker/graph/arena.h"
#include "worker/graph/formats.h"
#include "worker/graph/graph.h"
#include "worker/inference/step_ways.h"

namespace imgrec::worker {

struct PlanBuffer {
  dnnl::memory::desc desc;
  TensorId tensor = 0;
  Format format = Format::kFloat;
};

// An argument of a primitive: one of the plan's buffers, or one of its constants.
struct PlanArgument {
  int role = 0;  // DNNL_ARG_…
  bool constant = false;
  std::size_t index = 0;
};

struct PlanStep {
  StepRun run;
  std::vector<PlanArgument> arguments;
  dnnl::memory::desc scratch;  // of no size: none
  std::string what;            // "convolution conv2/3x3, brgconv:avx512_core", for people
};

struct OneDnnPlan {
  dnnl::engine engine;
  std::vector<PlanBuffer> buffers;  // [input] is the caller's memory, all others lie in the arena
  std::vector<dnnl::memory> constants;
  std::vector<PlanStep> steps;
  std::size_t input = 0;   // buffer: batch x channels x height x width floats
  std::size_t output = 0;  // buffer: batch x classes floats
  std::size_t scratch_bytes = 0;
  ArenaPlan arena;
};

struct PlanOptions {
  unsigned batch = 1;
  bool keep_tensors = false;  // every tensor stays readable after a run
};

// Throws dnnl::error where oneDNN refuses, std::runtime_error where it could only compute a node
// with its slow reference code; both name the node.
OneDnnPlan plan_graph(const Graph& graph, const Formats& formats, const PlanOptions& options);

}  // namespace imgrec::worker
