#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>
#include <system_error>
#include <utility>

#include "models/app/arguments.h"
#include "models/app/commands.h"
#include "models/app/folder_match.h"
#include "training/core/evaluation.h"
#include "training/data/picture_files.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::models {

const std::string_view kEvaluateHelp =
    "Usage: imgrec-model evaluate --model DIR --photos DIR [--each N]\n"
    "\n"
    "Says how good a model is: recognises photos as a worker does and compares with what they "
    "are.\n"
    "\n"
    "  --model DIR   model folder\n"
    "  --photos DIR  one folder a class, named as the line of labels.txt, or as its first word\n"
    "                where no other line begins with that; classes without a folder and folders\n"
    "                without a class are left out and named\n"
    "  --each N      only N photos of each class, the first by name (default: all)\n"
    "\n"
    "Prints the accuracy, a table of what was taken for what, the expected calibration error of "
    "the\n"
    "scores, and how many answers are sure and right. Exit code 1 where a photo cannot be read.\n";

namespace {

namespace fs = std::filesystem;

struct Photo {
  fs::path file;
  std::uint32_t label = 0;
};

std::vector<std::string> folders_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    std::error_code error;
    if (!training::hidden(entry.path()) && fs::is_directory(entry.path(), error)) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<fs::path> photos_below(const fs::path& folder, std::size_t most) {
  training::FoundFiles found = training::files_below(folder);
  for (const training::LeftOut& each : found.left_out) {
    std::cerr << each.path.string() << ": left out: " << each.why << "\n";
  }
  if (found.files.size() > most) found.files.resize(most);
  return std::move(found.files);
}

// "what (2): one, two"; nothing where there are none.
void list(const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return;
  constexpr std::size_t kShown = 10;
  std::cout << what << " (" << names.size() << "): ";
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) {
    std::cout << (i == 0 ? "" : ", ") << names[i];
  }
  std::cout << (names.size() > kShown ? " and others\n" : "\n");
}

Result<std::vector<Photo>> find_photos(const fs::path& directory,
                                       const std::vector<std::string>& labels, std::size_t each) {
  if (!fs::is_directory(directory)) {
    return Status(StatusCode::kNotFound, "there is no directory " + directory.string());
  }
  const FolderMatch match = match_folders(labels, folders_in(directory));
  std::vector<Photo> photos;
  for (const auto& [label, folder] : match.folder_of) {
    for (fs::path& file : photos_below(directory / folder, each)) {
      photos.push_back({std::move(file), label});
    }
  }
  if (photos.empty()) {
    return Status(StatusCode::kNotFound, "no folder in " + directory.string() +
                                             " with a photo in it is named as one of the model's " +
                                             std::to_string(labels.size()) +
                                             " classes, such as \"" + labels.front() + "\"");
  }
  std::vector<std::string> without;
  for (const std::uint32_t label : match.without) without.push_back(labels[label]);
  list("folders that are no class, or one of several", match.strange);
  list("classes without a folder", without);
  return photos;
}

// The scores of every class, in their order; empty where the picture cannot be read, which is told.
std::vector<float> scores_of(worker::Engine& engine, const fs::path& file) {
  const auto bytes = training::read_whole_file(file);
  if (!bytes) {
    std::cerr << file.string() << ": " << bytes.status().message() << "\n";
    return {};
  }
  const auto classes = static_cast<unsigned>(engine.model().labels.size());
  auto prepared = engine.prepare(*bytes);
  auto answer = prepared.index() == 0
                    ? engine.infer(*std::get<0>(prepared), classes)
                    : worker::EngineResult<std::vector<proto::ScoredClass>>(std::get<1>(prepared));
  if (const auto* failed = std::get_if<worker::EngineFailure>(&answer)) {
    std::cerr << file.string() << ": " << failed->text << "\n";
    return {};
  }
  std::vector<float> scores(classes);
  for (const proto::ScoredClass& scored : std::get<0>(answer)) scores[scored.index] = scored.score;
  return scores;
}

training::Answers recognise(worker::Engine& engine, const std::vector<Photo>& photos) {
  training::Answers answers;
  answers.classes = engine.model().labels.size();
  for (const Photo& photo : photos) {
    const std::vector<float> scores = scores_of(engine, photo.file);
    if (scores.empty()) continue;
    answers.labels.push_back(photo.label);
    // Logarithms are logits of the same probabilities.
    for (const float score : scores) {
      answers.logits.push_back(std::log(std::max(score, std::numeric_limits<float>::min())));
    }
  }
  return answers;
}

void print(const char* format, auto... values) {
  std::array<char, 256> line{};
  std::snprintf(line.data(), line.size(), format, values...);
  std::cout << line.data() << "\n";
}

void report(const training::Answers& answers, const worker::ModelDescription& model) {
  const training::Confusion confusion(answers);
  print("accuracy %.2f %% of %zu photos", 100 * confusion.accuracy(), answers.count());
  constexpr std::size_t kWidest = 30;  // a table of a thousand columns says nothing to anybody
  if (answers.classes <= kWidest) std::cout << confusion.table(model.labels);
  print("calibration error %.2f %%", 100 * training::calibration_error(answers, 1));
  if (model.unsure_below <= 0) return;
  const auto kept = training::part_above(answers, 1, static_cast<double>(model.unsure_below));
  if (!(kept.answered > 0)) {
    print("sure from score %.2f on, which no answer reaches",
          static_cast<double>(model.unsure_below));
    return;
  }
  print("sure from score %.2f on: %.1f %% of the answers, %.1f %% of them right",
        static_cast<double>(model.unsure_below), 100 * kept.answered, 100 * kept.right);
}

}  // namespace

int run_evaluate(const std::vector<std::string>& words) {
  const Result<Arguments> arguments = Arguments::parse(
      words, {.values = {"--model", "--photos", "--each"}, .required = {"--model", "--photos"}});
  if (!arguments) return complain(arguments.status(), kWrongUsage);
  constexpr unsigned kMost = 1'000'000'000;
  const Result<unsigned> each =
      parse_count("--each", arguments->value("--each", std::to_string(kMost)), 1, kMost);
  if (!each) return complain(each.status(), kWrongUsage);
  auto engine = worker::TorchEngine::open({.model_dir = arguments->value("--model")});
  if (!engine) return complain(engine.status(), kFailure);
  const worker::ModelDescription& model = (*engine)->model();
  const auto photos = find_photos(arguments->value("--photos"), model.labels, *each);
  if (!photos) return complain(photos.status(), kFailure);

  const training::Answers answers = recognise(**engine, *photos);
  if (answers.count() > 0) report(answers, model);
  if (answers.count() == photos->size()) return kGood;
  const std::size_t unreadable = photos->size() - answers.count();
  return complain({StatusCode::kInvalidArgument,
                   std::to_string(unreadable) + " of " + std::to_string(photos->size()) +
                       " files could not be recognised and are not counted"},
                  kFailure);
}

}  // namespace imgrec::models
