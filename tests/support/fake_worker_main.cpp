// imgrec-fake-worker: the worker, with an engine that needs no model. For tests only.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/fake_engine.h"
#include "tests/support/fake_model_file.h"
#include "worker/app/run_worker.h"
#include "worker/app/worker_config.h"

int main(int argc, char** argv) {
  using namespace imgrec;
  const std::string program = "imgrec-fake-worker";
  worker::WorkerConfig config;
  test::FakeEngineOptions engine;
  std::uint64_t delay_ms = 0;
  std::uint64_t load_ms = 0;
  std::string model_file;
  OptionSet options(program, "Answers without a model; for tests only.");
  worker::add_worker_options(options, config);
  options.add(
      {"fake.delay-ms", &delay_ms, "milliseconds that each inference takes", "delay-ms", "N"});
  options.add(
      {"fake.batch", &engine.batch, "images of an inference, at most", "batch", "N", [&engine] {
         return engine.batch >= 1 ? Status() : Status(StatusCode::kInvalidArgument, "batch is 0");
       }});
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
  options.add({"fake.model-file", &model_file,
               "file that says what the model is, read again on SIGHUP (fake_model_file.h)",
               "model-file", "FILE"});
  options.add(
      {"fake.load-ms", &load_ms, "milliseconds that loading the model takes", "load-ms", "N"});
  options.add(
      {"fake.max-pixels", &engine.max_pixels, "larger images are refused", "max-pixels", "N"});
  return worker::run_worker(
      program, options, config, argc, argv,
      [&](const std::string& serving) -> Result<std::unique_ptr<worker::Engine>> {
        test::FakeEngineOptions model = engine;
        if (!model_file.empty()) {
          auto read = test::read_fake_model(model_file, engine);
          if (!read.ok()) return read.status();
          model = *std::move(read);
        }
        if (model.model_digest == serving) return std::unique_ptr<worker::Engine>();
        std::this_thread::sleep_for(std::chrono::milliseconds(load_ms));
        model.delay = std::chrono::milliseconds(delay_ms);
        return std::unique_ptr<worker::Engine>(std::make_unique<test::FakeEngine>(model));
      });
}
