#include <filesystem>
#include <string>
#include <utility>

#include "worker/app/model_choice.h"
#include "worker/app/run_worker.h"
#include "worker/app/worker_config.h"
#include "worker/inference/blas_choice.h"
#include "worker/inference/model_folder.h"
#include "worker/inference/torch_engine.h"

namespace {

using imgrec::Result;
using imgrec::Status;
using imgrec::StatusCode;
using imgrec::worker::Engine;

Result<std::unique_ptr<Engine>> open_engine(const imgrec::worker::WorkerConfig& config,
                                            const std::string& serving) {
  std::error_code ignored;
  const std::filesystem::path dir = imgrec::worker::choose_model(
      config.model_dir, std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path());
  if (!std::filesystem::exists(dir / "model.yaml", ignored)) {
    return Status(StatusCode::kNotFound,
                  "no model in " + std::filesystem::absolute(dir).string() +
                      " (it has no model.yaml); give another directory with --model, or make one "
                      "with `imgrec-model import-caffe` (see its --help)");
  }
  if (!serving.empty()) {
    const auto folder = imgrec::worker::load_model_folder(dir);
    if (!folder.ok()) return folder.status();
    if (folder->digest == serving) return std::unique_ptr<Engine>();
  }
  imgrec::worker::TorchEngineOptions options;
  options.model_dir = dir;
  options.max_pixels = config.max_pixels;
  options.batch = config.batch;
  options.precision = *imgrec::worker::parse_precision(config.precision);  // checked when parsed
  return imgrec::worker::TorchEngine::open(std::move(options));
}

}  // namespace

int main(int argc, char** argv) {
  imgrec::worker::prepare_process_environment(argv);
  const std::string program = "imgrec-worker";
  imgrec::worker::WorkerConfig config;
  imgrec::OptionSet options(program, "Recognises images for one or several managers.");
  imgrec::worker::add_worker_options(options, config);
  imgrec::worker::add_model_options(options, config);
  return imgrec::worker::run_worker(
      program, options, config, argc, argv,
      [&config](const std::string& serving) { return open_engine(config, serving); });
}
