// The ways in which a step of a plan can be done, and which of them is the fastest here.
//
// Thread rule: fastest_way() on a thread that is set to compute alone, as it measures; a way's
// run() from any such thread, each with memories of its own. Owns: a way owns its constants. Inner
// header of this directory: it brings oneDNN in.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

namespace imgrec::worker {

using StepArguments = std::unordered_map<int, dnnl::memory>;  // by role, DNNL_ARG_…

struct Way {
  std::function<void(const dnnl::stream&, const StepArguments&)> run;
  dnnl::memory::desc source;                            // DNNL_ARG_SRC, in the layout that it wants
  dnnl::memory::desc target;                            // DNNL_ARG_DST, in the layout that it gives
  dnnl::memory::desc scratch;                           // DNNL_ARG_SCRATCHPAD; of no size: none
  std::vector<std::pair<int, dnnl::memory>> constants;  // weights and the like
  std::string how;                                      // "jit:avx2", for people
};

// Of a oneDNN primitive with one source.
template <class Primitive>
Way way_of(const typename Primitive::primitive_desc& pd) {
  const Primitive primitive(pd);
  return {[primitive](const dnnl::stream& stream, const StepArguments& arguments) {
            primitive.execute(stream, arguments);
          },
          pd.src_desc(),
          pd.dst_desc(),
          pd.scratchpad_desc(),
          {},
          pd.impl_info_str()};
}

// From `source` to `target`, changes of layout included. The first one, unless another takes
// clearly less time. REQUIRES: one way at least. Throws dnnl::error.
Way fastest_way(const dnnl::engine& engine, std::vector<Way> ways, const dnnl::memory::desc& source,
                const dnnl::memory::desc& target);

}  // namespace imgrec::worker
