// An Engine without a model, for tests: what it answers follows from the bytes alone.
//
// Class of a picture: FNV-1a (64 bit) of its bytes, modulo the number of labels. Scores: 1/2 for
// that class, 1/4 for the next one, 1/8, … (indices wrap around). Files that are no pictures fail
// as they do with the real engine, by their headers.
//
// Thread rule: as Engine says; the verbs from any thread.
// Owns: its description and the failures to come.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/engine.h"

namespace imgrec::test {

struct FakeEngineOptions {
  std::string model_name = "fake";
  std::string model_digest = std::string(64, 'f');
  unsigned labels = 10;  // "fake 0", "fake 1", …
  std::string label_prefix = "fake";
  std::string warm_up_failure{};      // not empty: it cannot be warmed up, and this is why
  std::chrono::milliseconds delay{};  // of each inference, however many pictures it is of
  unsigned batch = 1;                 // the largest
  std::uint64_t max_pixels = 100'000'000;
};

class FakeEngine final : public worker::Engine {
 public:
  explicit FakeEngine(FakeEngineOptions options = {});

  const worker::ModelDescription& model() const override { return model_; }
  Status warm_up_this_thread() override;
  worker::EngineResult<std::unique_ptr<worker::PreparedImage>> prepare(
      std::string_view image) override;
  worker::BatchSizes batches() const override { return worker::BatchSizes::up_to(options_.batch); }
  using Engine::infer;
  std::vector<worker::InferResult> infer(std::span<const worker::PreparedImage* const> images,
                                         unsigned top_k) override;

  // ---- verbs ----
  void fail_next(worker::EngineFailure failure);  // the next inference's first picture
  void throw_next(std::string what);              // the next inference, as an exception
  void fail_warm_up(std::string why);             // every one from now on
  void hold();                                    // inferences begin, and wait for release()
  void release();
  bool wait_until_held(unsigned inferences);  // false after 10 s
  unsigned inferences() const;                // begun so far
  unsigned warm_threads() const;

  // The best class for these bytes.
  static std::uint32_t class_of(std::string_view image, unsigned labels);

 private:
  struct Mishap {
    worker::EngineFailure failure;
    bool thrown = false;
  };

  worker::InferResult classes_of(const worker::PreparedImage& image, unsigned top_k) const;

  const FakeEngineOptions options_;
  worker::ModelDescription model_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Mishap> mishaps_;
  std::string warm_up_failure_;
  bool held_ = false;
  unsigned waiting_ = 0;
  unsigned inferences_ = 0;
  unsigned warm_threads_ = 0;
};

// A complete BMP of 2x2 pixels whose colours, and so whose class, follow from `seed`.
std::string tiny_bmp(std::uint32_t seed);

}  // namespace imgrec::test
