// A network that LibTorch runs.
//
// Thread rule: as Network says.
// Owns: the module.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proto/status.h"
#include "worker/inference/network.h"

namespace imgrec::worker {

class TorchNetwork : public Network {
 public:
  // Loads the module as it was saved and runs it once on each probe. REQUIRES: one at least.
  static Result<std::unique_ptr<TorchNetwork>> load(const ModuleFile& file, NetworkShape shape,
                                                    std::vector<std::vector<float>> probes);
  ~TorchNetwork() override;

  // Takes the fastest form up to `limit` whose scores are those of the module as saved.
  void optimize(NetworkForm limit);

  // What the module as saved gives for each probe.
  const std::vector<std::vector<float>>& expected_scores() const;

  NetworkForm form() const;
  Status prepare_thread() override;
  Result<std::vector<float>> run(const std::vector<float>& input) const override;

 private:
  struct Impl;  // the Torch side; its headers define LOG and CHECK
  explicit TorchNetwork(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Sets the calling thread to compute alone: streams are parallel, operators are not. LibTorch and
// oneDNN share the setting, which is OpenMP's.
void use_one_thread();

}  // namespace imgrec::worker
