#include <iomanip>
#include <iostream>
#include <sstream>

#include "models/app/arguments.h"
#include "models/app/commands.h"
#include "worker/inference/model_folder.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::models {

const std::string_view kCheckHelp =
    "Usage: imgrec-model check DIR\n"
    "\n"
    "Checks the files of a model folder against their sums, loads the model as a worker does, and\n"
    "says what it is.\n";

namespace {

std::string in_words(const worker::Batching& batching) {
  if (batching.batches.empty()) return "none: " + batching.why_no_more;
  std::ostringstream text;
  text << std::fixed << std::setprecision(2);
  for (const auto& batch : batching.batches) {
    text << (text.tellp() > 0 ? ", " : "") << "of " << batch.pictures << " at " << batch.gain;
  }
  text << " times the images of one by one, as measured";
  if (!batching.why_no_more.empty()) text << "; no more: " << batching.why_no_more;
  return text.str();
}

}  // namespace

int run_check(const std::vector<std::string>& words) {
  const Result<Arguments> arguments =
      Arguments::parse(words, {.min_operands = 1, .max_operands = 1, .operand = "DIR"});
  if (!arguments) return complain(arguments.status(), kWrongUsage);
  const std::string& directory = arguments->operands().front();
  const auto folder = worker::load_model_folder(directory);
  if (!folder) return complain(folder.status(), kFailure);
  worker::TorchEngineOptions options;
  options.model_dir = directory;
  options.batch = 0;  // as workers do
  auto engine = worker::TorchEngine::open(std::move(options));
  if (!engine) return complain(engine.status(), kFailure);

  const worker::ModelSpec& spec = folder->spec;
  const auto& torch_engine = static_cast<const worker::TorchEngine&>(**engine);
  std::cout << "name      " << spec.name << "\n"
            << "digest    " << folder->digest << "\n"
            << "classes   " << spec.classes << ", \"" << folder->labels.front() << "\" to \""
            << folder->labels.back() << "\"\n"
            << "input     " << spec.input_width << "x" << spec.input_height
            << ", out of the middle of " << spec.resize_width << "x" << spec.resize_height << "\n"
            << "outputs   "
            << (spec.outputs == worker::OutputKind::kLogits ? "logits" : "probabilities") << "\n"
            << "runs      " << to_string(torch_engine.form()) << "\n"
            << "batches   " << in_words(torch_engine.batching()) << "\n"
            << "source    " << spec.source << "\n"
            << "licence   " << spec.licence << "\n";
  return kGood;
}

}  // namespace imgrec::models
