// The Engine that recognises pictures with a TorchScript classifier from a model folder.
//
// Thread rule: as Engine says. The network is loaded once and shared; each inference thread has
// its own Torch thread state, which warm_up_this_thread() sets.
// Owns: the network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "proto/status.h"
#include "worker/core/engine.h"
#include "worker/inference/network.h"

namespace imgrec::worker {

struct TorchEngineOptions {
  std::filesystem::path model_dir;
  std::uint64_t max_pixels = 100'000'000;          // larger pictures are refused before decoding
  std::optional<NetworkForm> form = std::nullopt;  // empty: the fastest; others are for comparisons
  Precision precision = Precision::kFp32;
  unsigned batch = 1;  // NetworkOptions::batch
};

class TorchEngine : public Engine {
 public:
  // Loads the folder, checks its files against their sums, runs the network on fixed inputs, and
  // takes the fastest form of it that gives the same scores as the module as saved.
  static Result<std::unique_ptr<Engine>> open(TorchEngineOptions options);

  ~TorchEngine() override;
  const ModelDescription& model() const override;
  Status warm_up_this_thread() override;
  EngineResult<std::unique_ptr<PreparedImage>> prepare(std::string_view image) override;
  BatchSizes batches() const override;
  using Engine::infer;
  std::vector<InferResult> infer(std::span<const PreparedImage* const> images,
                                 unsigned top_k) override;

  NetworkForm form() const;
  Batching batching() const;  // what batches() is of, and why

 private:
  struct Impl;  // the Torch side; its headers define LOG and CHECK
  explicit TorchEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace imgrec::worker
