// Whether pictures are recognised faster in batches than one by one.
//
// Thread rule: one thread at a time, set to compute alone.
// Owns: the compiled networks.
#pragma once

#include <memory>
#include <vector>

#include "proto/status.h"
#include "worker/graph/graph.h"

namespace imgrec::bench {

class Batches {
 public:
  // Compiles `graph` in fp32 for each of `sizes`.
  static Result<std::unique_ptr<Batches>> compile(const worker::Graph& graph,
                                                  std::vector<unsigned> sizes);
  ~Batches();

  // Images a second for each size, measured one after the other.
  std::vector<double> measure(double seconds);

 private:
  struct Impl;
  explicit Batches(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace imgrec::bench
