// imgrec-fake-worker: the worker, with an engine that needs no model. For tests only.
#include <cstdint>
#include <memory>
#include <string>

#include "tests/support/fake_engine.h"
#include "worker/app/run_worker.h"
#include "worker/app/worker_config.h"

int main(int argc, char** argv) {
  using namespace imgrec;
  const std::string program = "imgrec-fake-worker";
  worker::WorkerConfig config;
  test::FakeEngineOptions engine;
  std::uint64_t delay_ms = 0;
  OptionSet options(program, "Answers without a model; for tests only.");
  worker::add_worker_options(options, config);
  options.add({"fake.delay-ms", &delay_ms, "milliseconds that each image takes", "delay-ms", "N"});
  options.add({"fake.labels", &engine.labels, "number of classes", "labels", "N", [&engine] {
                 const bool good = engine.labels >= 1 && engine.labels <= 65535;
                 return good ? Status()
                             : Status(StatusCode::kInvalidArgument, "labels must be 1 to 65535");
               }});
  options.add({"fake.model-name", &engine.model_name, "the model it claims", "model-name", "NAME"});
  options.add({"fake.model-digest", &engine.model_digest, "its digest, 64 hex digits",
               "model-digest", "HEX", [&engine] {
                 const bool good =
                     engine.model_digest.size() == 64 &&
                     engine.model_digest.find_first_not_of("0123456789abcdef") == std::string::npos;
                 return good ? Status()
                             : Status(StatusCode::kInvalidArgument,
                                      "model-digest must be 64 lower-case hex digits");
               }});
  options.add(
      {"fake.max-pixels", &engine.max_pixels, "larger images are refused", "max-pixels", "N"});
  return worker::run_worker(
      program, options, config, argc, argv, [&]() -> Result<std::unique_ptr<worker::Engine>> {
        engine.delay = std::chrono::milliseconds(delay_ms);
        return std::unique_ptr<worker::Engine>(std::make_unique<test::FakeEngine>(engine));
      });
}
