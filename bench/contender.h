// One way of recognising photos, for comparison with others.
//
// Thread rule: session() from any thread; a session belongs to the thread that made it.
// Owns: what it computes with.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/photo_set.h"
#include "proto/status.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::bench {

// A thread's own: ready to run, and warm.
class Session {
 public:
  virtual ~Session() = default;
  // Recognises photo number `index`; decoded just now, or before. Gives the best class.
  virtual unsigned run(std::size_t index, bool decode) = 0;
};

class Contender {
 public:
  explicit Contender(std::string name) : name_(std::move(name)) {}
  virtual ~Contender() = default;
  const std::string& name() const { return name_; }
  virtual std::unique_ptr<Session> session() = 0;

 private:
  std::string name_;
};

// The worker's engine. Throws std::runtime_error where a photo cannot be recognised.
Result<std::unique_ptr<Contender>> engine_contender(std::string name,
                                                    const worker::TorchEngineOptions& options,
                                                    const std::vector<Photo>& photos);

// OpenCV's DNN module on the Caffe files, with the preprocessing that the model folder says.
Result<std::unique_ptr<Contender>> opencv_contender(std::string name,
                                                    const std::filesystem::path& caffe_files,
                                                    const std::filesystem::path& model_dir,
                                                    const std::vector<Photo>& photos);

}  // namespace imgrec::bench
