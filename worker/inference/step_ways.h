// The ways in which a step of a plan can be done, and which of them is the fastest here.
//
// Thread rule: fastest_way() on a thread that is set to compute alone, as it measures; a way's
// run() from any such thread, each with memories of its own. Owns: a way owns its constants. Inner
// header of this directory: it brings oneDNN in.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

namespace imgrec::worker {

using StepArguments = std::unordered_map<int, dnnl::memory>;  // by role, DNNL_ARG_…
using StepRun = std::function<void(const dnnl::stream&, const StepArguments&)>;

struct Way {
  StepRun run;
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

// oneDNN's code for machines that it has no other for: far too slow.
inline bool is_reference(const Way& way) { return way.how.starts_with("ref"); }

class WayChooser {
 public:
  explicit WayChooser(const dnnl::engine& engine) : engine_(engine) {}

  // kCold: what is measured finds its weights and its input in memory, as those of a layer are by
  // the time that all others have run.
  enum class Caches { kWarm, kCold };

  // Which of them is the fastest from `source` to `target`, changes of layout included: the first
  // way, unless a later one takes clearly less time than the best before it. A reference way is
  // taken only where there is nothing else, and is not run. REQUIRES: one way at least. Throws
  // dnnl::error.
  std::size_t choose(const std::vector<Way>& ways, const dnnl::memory::desc& source,
                     const dnnl::memory::desc& target, Caches caches);

 private:
  double seconds_of(const Way& way, const dnnl::memory::desc& source,
                    const dnnl::memory::desc& target, Caches caches);
  void empty_caches();

  dnnl::engine engine_;
  std::vector<char> other_memory_;  // that takes the caches; empty: not needed yet
};

}  // namespace imgrec::worker
