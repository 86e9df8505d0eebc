#include <stdexcept>
#include <utility>

#include "bench/contender.h"

namespace imgrec::bench {
namespace {

using worker::Engine;
using worker::EngineFailure;
using worker::PreparedImage;
using Prepared = std::vector<std::unique_ptr<PreparedImage>>;

std::unique_ptr<PreparedImage> prepare(Engine& engine, const Photo& photo) {
  auto prepared = engine.prepare(photo.bytes);
  if (auto* failed = std::get_if<EngineFailure>(&prepared)) {
    throw std::runtime_error(photo.file + ": " + failed->text);
  }
  return std::move(std::get<0>(prepared));
}

class EngineSession : public Session {
 public:
  EngineSession(Engine& engine, const std::vector<Photo>& photos, const Prepared& prepared)
      : engine_(engine), photos_(photos), prepared_(prepared) {
    const Status warm = engine.warm_up_this_thread();
    if (!warm.ok()) throw std::runtime_error(warm.message());
  }

  unsigned run(std::size_t index, bool decode) override {
    const auto own = decode ? prepare(engine_, photos_[index]) : nullptr;
    auto answer = engine_.infer(decode ? *own : *prepared_[index], 1);
    if (auto* failed = std::get_if<EngineFailure>(&answer)) {
      throw std::runtime_error(photos_[index].file + ": " + failed->text);
    }
    return std::get<0>(answer).front().index;
  }

 private:
  Engine& engine_;
  const std::vector<Photo>& photos_;
  const Prepared& prepared_;
};

class EngineContender : public Contender {
 public:
  EngineContender(std::string name, std::unique_ptr<Engine> engine,
                  const std::vector<Photo>& photos)
      : Contender(std::move(name)), engine_(std::move(engine)), photos_(photos) {
    for (const Photo& photo : photos) prepared_.push_back(prepare(*engine_, photo));
  }

  std::unique_ptr<Session> session() override {
    return std::make_unique<EngineSession>(*engine_, photos_, prepared_);
  }

 private:
  std::unique_ptr<Engine> engine_;
  const std::vector<Photo>& photos_;
  Prepared prepared_;
};

}  // namespace

Result<std::unique_ptr<Contender>> engine_contender(std::string name,
                                                    const worker::TorchEngineOptions& options,
                                                    const std::vector<Photo>& photos) {
  auto engine = worker::TorchEngine::open(options);
  if (!engine) return engine.status();
  return std::unique_ptr<Contender>(
      std::make_unique<EngineContender>(std::move(name), std::move(engine).value(), photos));
}

}  // namespace imgrec::bench
