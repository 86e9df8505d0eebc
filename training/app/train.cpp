#include "training/app/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>

#include <unistd.h>

#include "models/app/new_folder.h"
#include "training/app/model_card.h"
#include "training/app/surroundings.h"
#include "training/core/evaluation.h"
#include "training/core/held_out.h"
#include "training/data/photo_digest.h"
#include "worker/inference/model_folder.h"

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;

// The same pictures are held out whatever the training's seed, so that what several trainings say
// of them can be compared, and their networks be asked together.
constexpr std::uint64_t kSplitSeed = 1;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A line that is written over on a terminal, and left out elsewhere.
class Ticker {
 public:
  template <class... Arguments>
  void tell(const char* format, Arguments... arguments) {
    if (!terminal_ || seconds_since(last_) < 0.2) return;
    last_ = Clock::now();
    std::printf("\r\033[K");
    std::printf(format, arguments...);
    std::fflush(stdout);
  }
  void clear() {
    if (terminal_) std::printf("\r\033[K");
  }

 private:
  const bool terminal_ = ::isatty(STDOUT_FILENO) != 0;
  Clock::time_point last_{};
};

// `flag`: the one that named the directory, for messages.
Result<Photos> read_photos(const char* flag, const fs::path& directory,
                           const FolderOptions& options) {
  Ticker ticker;
  auto read = read_photo_folders(directory, options, [&](std::size_t done, std::size_t all) {
    ticker.tell("reading %s: %zu of %zu", directory.c_str(), done, all);
  });
  ticker.clear();
  if (!read.ok()) {
    return Status(read.status().code(), std::string(flag) + ": " + read.status().message());
  }
  std::printf("read %s: %zu pictures of %zu classes", directory.c_str(), read->photos.count(),
              read->photos.classes.size());
  std::printf(read->left_out.empty() ? "\n" : ", %zu left out:\n", read->left_out.size());
  constexpr std::size_t kShown = 10;
  for (std::size_t i = 0; i < std::min(kShown, read->left_out.size()); ++i) {
    std::printf("  %s\n", read->left_out[i].c_str());
  }
  if (read->left_out.size() > kShown) std::printf("  and others\n");
  std::fflush(stdout);
  return std::move(read->photos);
}

std::vector<std::size_t> everything(const Photos& photos) {
  std::vector<std::size_t> members(photos.count());
  std::iota(members.begin(), members.end(), std::size_t{0});
  return members;
}

// `kept`: the checkpoint's file is of this training.
Status interrupted(unsigned epochs, bool kept, const TrainOptions& options) {
  if (!kept) {
    return {StatusCode::kCancelled,
            "interrupted before the first epoch was done; nothing of this training is kept"};
  }
  return {StatusCode::kCancelled, "interrupted after epoch " + std::to_string(epochs) +
                                      "; the same command" +
                                      (options.restart ? " without --restart" : "") +
                                      " goes on from " + options.checkpoint.string()};
}

// `kept`: the checkpoint's file is of this training already.
Status run_epochs(Trainer& trainer, bool kept, const TrainOptions& options, const Photos& photos,
                  const std::vector<std::size_t>& held_out, const std::atomic<bool>& stop) {
  Ticker ticker;
  while (trainer.epochs_done() < options.trainer.epochs) {
    if (stop) return interrupted(trainer.epochs_done(), kept, options);
    const auto start = Clock::now();
    const unsigned epoch = trainer.epochs_done() + 1;
    Trainer::Progress last;
    const auto first_step = std::uint64_t{epoch - 1};
    const Status trained = trainer.run_epoch([&](const Trainer::Progress& p) {
      last = p;
      const double each = p.steps / static_cast<double>(options.trainer.epochs);
      const double done = static_cast<double>(p.step) - static_cast<double>(first_step) * each;
      const double left = seconds_since(start) / done * (static_cast<double>(p.steps - p.step));
      ticker.tell("epoch %u of %u, %.0f %%, loss %.3f, %.0f min left", epoch,
                  options.trainer.epochs, 100 * done / each, p.loss, left / 60);
    });
    const double spent = seconds_since(start);
    ticker.clear();
    if (!trained.ok()) return trained;
    const auto answers = trainer.evaluate(photos, held_out);
    if (!answers.ok()) return answers.status();
    const Confusion confusion(*answers);
    std::printf("epoch %u of %u: loss %.4f, held-out accuracy %.2f %%, rate %.4f, %.0f s\n", epoch,
                options.trainer.epochs, last.loss, 100 * confusion.accuracy(), last.rate, spent);
    std::fflush(stdout);
    if (Status status = trainer.save(options.checkpoint); !status.ok()) return status;
    kept = true;
  }
  return {};
}

worker::ModelSpec spec_of(const TrainOptions& options, std::size_t classes, double threshold) {
  worker::ModelSpec spec;
  const unsigned size = options.folders.size;
  spec.name = options.name;
  spec.input_width = spec.input_height = spec.resize_width = spec.resize_height = size;
  spec.filter = worker::ResizeFilter::kArea;
  spec.channels = worker::ChannelOrder::kRgb;
  const Normalisation& how = options.trainer.normalisation;
  std::copy(std::begin(how.mean), std::end(how.mean), spec.mean.begin());
  spec.scale.fill(how.scale);
  spec.outputs = worker::OutputKind::kProbabilities;
  spec.unsure_below = threshold;
  spec.classes = static_cast<unsigned>(classes);
  spec.source = options.source;
  spec.licence = options.licence;
  return spec;
}

// The module must say what the trainer's own network says.
Status check_module(const fs::path& file, const Photos& photos,
                    const std::vector<std::size_t>& members, const Answers& expected,
                    const TrainOptions& options, double temperature) {
  const auto answers = run_module(file, photos, members, options.trainer.normalisation);
  if (!answers.ok()) return answers.status();
  double worst = 0;
  for (std::size_t i = 0; i < expected.count(); ++i) {
    const std::vector<double> promised =
        probabilities(expected.row(i), expected.classes, temperature);
    for (std::size_t c = 0; c < expected.classes; ++c) {
      worst = std::max(worst, std::abs(promised[c] - answers->row(i)[c]));
    }
  }
  constexpr double kMost = 1e-3;
  if (!(worst <= kMost)) {
    return {StatusCode::kInternal, "the module's probabilities differ from the network's by " +
                                       std::to_string(worst) + "; nothing is written"};
  }
  std::printf("checked the module on %zu pictures: probabilities within %.1e\n", expected.count(),
              worst);
  return {};
}

Status write_folder(const Trainer& trainer, const TrainOptions& options, const Photos& photos,
                    const Judgement& judgement, const Answers& held_out,
                    const std::vector<std::size_t>& members) {
  auto folder = models::NewFolder::create(options.out, options.force);
  if (!folder.ok()) return folder.status();
  const fs::path module = folder->path() / worker::kModuleFile;
  Status status = trainer.write_module(judgement.temperature, module);
  if (status.ok()) {
    status = check_module(module, photos, members, held_out, options, judgement.temperature);
  }
  if (status.ok()) {
    status = folder->describe(photos.classes,
                              spec_of(options, photos.classes.size(), judgement.threshold.score));
  }
  if (status.ok()) status = check_folder(*folder, photos.classes);
  if (status.ok()) status = folder->write("README.md", model_card(options, photos, judgement));
  return status.ok() ? folder->commit() : status;
}

struct Material {
  Photos photos;
  Split split;
  Photos test;  // none: what is held out judges, too
};

Result<Material> gather(const TrainOptions& options) {
  Material material;
  auto photos = read_photos("--data", options.data, options.folders);
  if (!photos.ok()) return photos.status();
  material.photos = *std::move(photos);
  material.split = split_photos(material.photos, options.held_out, kSplitSeed);
  if (const std::string why = why_nothing_can_be_said(material.split); !why.empty()) {
    return Status(StatusCode::kInvalidArgument, options.data.string() + ": " + why);
  }
  if (options.test.empty()) return material;
  FolderOptions same = options.folders;
  same.classes = material.photos.classes;
  auto test = read_photos("--test", options.test, same);
  if (!test.ok()) return test.status();
  material.test = *std::move(test);
  return material;
}

// Goes on from the checkpoint where `go_on`, and brings the other networks in.
Status take_up(Trainer& trainer, const TrainOptions& options, bool go_on) {
  if (go_on) {
    if (Status status = trainer.load(options.checkpoint); !status.ok()) return status;
    std::printf("going on after epoch %u, from %s\n", trainer.epochs_done(),
                options.checkpoint.c_str());
  }
  for (const fs::path& other : options.committee) {
    if (Status status = trainer.join(other); !status.ok()) return status;
  }
  return {};
}

// Judges what was learned, and makes the model folder of it.
Status finish(Trainer& trainer, const TrainOptions& options, const Material& material) {
  const Photos& photos = material.photos;
  const auto held_out = trainer.evaluate_module(photos, material.split.held_out);
  if (!held_out.ok()) return held_out.status();
  const bool apart = !options.test.empty();
  const auto judging =
      apart ? trainer.evaluate_module(material.test, everything(material.test)) : held_out;
  if (!judging.ok()) return judging.status();
  Judgement judgement = judge(*held_out, *judging, apart, options.sure);
  judgement.trained = material.split.train.size();
  judgement.epochs = trainer.epochs_done();
  if (Status status =
          write_folder(trainer, options, photos, judgement, *held_out, material.split.held_out);
      !status.ok()) {
    return status;
  }
  std::printf("%s\nwrote %s\n", report(photos, judgement).c_str(), options.out.c_str());
  return {};
}

}  // namespace

Status train(const TrainOptions& options, const std::atomic<bool>& stop) {
  if (Status status = check_surroundings(options, spec_of(options, 0, 0)); !status.ok()) {
    return status;
  }
  const auto material = gather(options);
  if (!material.ok()) return material.status();
  const Photos& photos = material->photos;
  const Split& split = material->split;
  const auto digest = digest_of(photos, split);
  if (!digest.ok()) return digest.status();
  Trainer trainer(options.trainer, photos, split.train, *digest);
  std::error_code ignored;
  const bool go_on = !options.restart && fs::exists(options.checkpoint, ignored);
  if (Status status = take_up(trainer, options, go_on); !status.ok()) return status;
  std::printf("learning from %zu pictures, %zu held out\n", split.train.size(),
              split.held_out.size());
  for (const std::string& doubt : doubts_about(photos, split)) {
    std::printf("note: %s\n", doubt.c_str());
  }
  std::fflush(stdout);
  if (Status status = run_epochs(trainer, go_on, options, photos, split.held_out, stop);
      !status.ok()) {
    return status;
  }
  return finish(trainer, options, *material);
}

}  // namespace imgrec::training
