// What a worker needs from inference: pictures in, scored classes out. The Torch engine is one
// implementation; tests have a fake one that needs no model.
//
// Thread rule: see each class.
// Owns: nothing; implementations own their models.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "proto/messages.h"
#include "proto/status.h"
#include "worker/core/batch_sizes.h"

namespace imgrec::worker {

struct ModelDescription {
  std::string name;
  std::string digest;  // 64 hex digits: SHA-256 of model.yaml, which names its files' own
  std::vector<std::string> labels;
  float unsure_below = 0;
};

// A decoded, preprocessed picture, ready for the network; opaque to everyone but its engine.
class PreparedImage {
 public:
  virtual ~PreparedImage() = default;
};

// Why a picture could not be recognised; goes out as a FAIL frame.
struct EngineFailure {
  proto::FailCode code = proto::FailCode::kInternal;
  bool retriable = false;
  std::string text;
};

template <class T>
using EngineResult = std::variant<T, EngineFailure>;

using InferResult = EngineResult<std::vector<proto::ScoredClass>>;

// Thread rule: prepare() and infer() may run at the same time on different threads; infer() on at
// most as many threads as the engine was made for, always the same ones (warm-up is per thread).
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const ModelDescription& model() const = 0;

  // Called once on each inference thread before its first infer(): sets thread state, runs the
  // warm-up. The worker registers only after every thread is warm.
  virtual Status warm_up_this_thread() = 0;

  // Decodes and preprocesses. `image` are bytes as uploaded; hostile ones are a failure, never a
  // crash.
  virtual EngineResult<std::unique_ptr<PreparedImage>> prepare(std::string_view image) = 0;

  // How many pictures infer() computes in less time together than one after the other. The same for
  // the life of the engine.
  virtual BatchSizes batches() const { return {}; }

  // Scores every class of each picture; returns the best `top_k`, best first, picture by picture.
  // REQUIRES: at least one picture, at most batches().largest(). Other numbers than batches() has
  // gain nothing by it.
  virtual std::vector<InferResult> infer(std::span<const PreparedImage* const> images,
                                         unsigned top_k) = 0;

  // The same for one.
  InferResult infer(const PreparedImage& image, unsigned top_k) {
    const PreparedImage* const one = &image;
    return std::move(infer(std::span(&one, 1), top_k).front());
  }
};

}  // namespace imgrec::worker
