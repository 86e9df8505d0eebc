#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

#include <nlohmann/json.hpp>

#include "models/app/arguments.h"
#include "models/app/commands.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::models {

const std::string_view kClassifyHelp =
    "Usage: imgrec-model classify --model DIR [--top K] [--json] FILE...\n"
    "\n"
    "Recognises pictures in this process, without a manager. Exit code 1 if any of them failed.\n"
    "\n"
    "  --model DIR  model folder\n"
    "  --top K      how many classes per picture, best first (default: 5)\n"
    "  --json       one JSON object per line: "
    "{\"file\",\"top\":[{\"index\",\"label\",\"score\"}]},\n"
    "               or {\"file\",\"error\"}\n";

namespace {

using Answer = worker::EngineResult<std::vector<proto::ScoredClass>>;

Answer unreadable(std::string why) {
  return worker::EngineFailure{proto::FailCode::kNotAnImage, false,
                               "cannot be read: " + std::move(why)};
}

Answer classify(worker::Engine& engine, const std::string& file, unsigned top_k) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) return unreadable("it is a directory");
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return unreadable(std::strerror(errno));
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  if (stream.bad()) return unreadable("reading stopped half-way");
  auto prepared = engine.prepare(bytes);
  if (auto* failed = std::get_if<worker::EngineFailure>(&prepared)) return *failed;
  return engine.infer(*std::get<0>(prepared), top_k);
}

void print_text(const std::string& file, const Answer& answer,
                const worker::ModelDescription& model) {
  if (const auto* failed = std::get_if<worker::EngineFailure>(&answer)) {
    std::cout << std::flush;
    std::cerr << file << ": " << failed->text << "\n";
    return;
  }
  const auto& top = std::get<0>(answer);
  std::cout << file;
  if (!top.empty() && top.front().score < model.unsure_below) std::cout << " (not sure)";
  std::cout << "\n";
  for (const proto::ScoredClass& scored : top) {
    char score[16];
    std::snprintf(score, sizeof score, "%8.5f", static_cast<double>(scored.score));
    std::cout << score << "  " << model.labels[scored.index] << "\n";
  }
}

void print_json(const std::string& file, const Answer& answer,
                const worker::ModelDescription& model) {
  nlohmann::json line = {{"file", file}};
  if (const auto* failed = std::get_if<worker::EngineFailure>(&answer)) {
    line["error"] = failed->text;
  } else {
    line["top"] = nlohmann::json::array();
    for (const proto::ScoredClass& scored : std::get<0>(answer)) {
      line["top"].push_back({{"index", scored.index},
                             {"label", model.labels[scored.index]},
                             {"score", scored.score}});
    }
  }
  // File names need not be UTF-8.
  std::cout << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

}  // namespace

int run_classify(const std::vector<std::string>& words) {
  const Result<Arguments> arguments =
      Arguments::parse(words, {.values = {"--model", "--top"},
                               .switches = {"--json"},
                               .required = {"--model"},
                               .min_operands = 1,
                               .max_operands = static_cast<std::size_t>(-1)});
  if (!arguments) return complain(arguments.status(), kWrongUsage);
  const Result<unsigned> top_k = parse_count("--top", arguments->value("--top", "5"), 1, 65535);
  if (!top_k) return complain(top_k.status(), kWrongUsage);
  auto engine = worker::TorchEngine::open({.model_dir = arguments->value("--model")});
  if (!engine) return complain(engine.status(), kFailure);

  bool all_good = true;
  for (const std::string& file : arguments->operands()) {
    const Answer answer = classify(**engine, file, *top_k);
    all_good = all_good && answer.index() == 0;
    if (arguments->has("--json")) {
      print_json(file, answer, (*engine)->model());
    } else {
      print_text(file, answer, (*engine)->model());
    }
  }
  return all_good ? kGood : kFailure;
}

}  // namespace imgrec::models
