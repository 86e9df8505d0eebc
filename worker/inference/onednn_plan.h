// A graph as a list of steps over numbered buffers, oneDNN's primitives or kernels of ours, ready
// to run on any thread.
//
// Activations are kept channels last: on CPUs with AVX-512 oneDNN's convolutions reach the same
// rate with them as with blocked layouts, in every format, and nothing is reordered between layers.
//
// Thread rule: plan_graph() on a thread that is set to compute alone; a finished plan is constant.
// Owns: the primitives and the weights in the layouts that they want, some of which it may share
// with another plan of the same graph.
// Inner header of this directory: it brings oneDNN in.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

#include "worker/graph/arena.h"
#include "worker/graph/batch_cut.h"
#include "worker/graph/formats.h"
#include "worker/graph/graph.h"
#include "worker/inference/kernel_ways.h"
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
  std::shared_ptr<WinogradKernels> kernels;
  std::vector<PlanBuffer> buffers;  // [input] is the caller's memory, all others lie in the arena,
  bool input_in_arena = false;      // where, after a cut, the input lies too
  std::vector<dnnl::memory> constants;
  std::vector<PlanStep> steps;
  std::size_t input = 0;   // buffer: batch x channels x height x width floats
  std::size_t output = 0;  // buffer: batch x classes floats
  std::size_t scratch_bytes = 0;
  std::vector<BufferLife> lives;  // by buffer
  ArenaPlan arena;
  std::vector<std::size_t> choices;  // the ways taken, of those that there were
};

struct PlanOptions {
  unsigned batch = 1;
  bool keep_tensors = false;  // every tensor stays readable after a run
  // A plan of the same graph and formats for another number of pictures: what was measured for it
  // holds here too, and weights that both have are in memory once.
  const OneDnnPlan* like = nullptr;
};

// Throws dnnl::error where oneDNN refuses, std::runtime_error where it could only compute a node
// with its slow reference code; both name the node.
OneDnnPlan plan_graph(const Graph& graph, const Formats& formats, const PlanOptions& options);

// What is left of a plan from a cut on: its input is the cut's buffer, which lies in the arena.
// REQUIRES: a plan without keep_tensors, and one of its cut_points().
OneDnnPlan from_cut(OneDnnPlan plan, const CutPoint& cut);

}  // namespace imgrec::worker
