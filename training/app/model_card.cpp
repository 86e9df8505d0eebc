#include "training/app/model_card.h"

#include <array>
#include <cstdio>
#include <string_view>
#include <vector>

namespace imgrec::training {
namespace {

template <class... Arguments>
std::string text(const char* format, Arguments... arguments) {
  std::array<char, 512> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, arguments...);
  return buffer.data();
}

// As a shell takes it for one word.
std::string quoted(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,/:@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

// The command, without what only one machine has: where the pictures are.
std::string command(const TrainOptions& options, unsigned epochs) {
  const TrainerOptions& trainer = options.trainer;
  std::string words = "imgrec-train --data DIR";
  if (!options.test.empty()) words += " --test DIR";
  words += " --out " + quoted(options.name);
  const std::vector<std::string>& classes = options.folders.classes;
  if (!classes.empty()) words += " --classes " + quoted(joined(classes, ","));
  words += text(" --size %u --held-out %u", options.folders.size, options.held_out);
  words += text(" --width %u --epochs %u --batch %u", trainer.width, epochs, trainer.batch);
  if (trainer.whole_epochs > 0) words += text(" --whole %u", trainer.whole_epochs);
  if (trainer.mirror) words += " --mirror";
  if (trainer.byte_weights) words += " --bytes";
  std::vector<std::string> others;
  for (const auto& file : options.committee) others.push_back(file.filename().string());
  if (!others.empty()) words += " --with " + quoted(joined(others, ","));
  words += text(" --rate %g --seed %llu --precision %s --sure %.0f", trainer.rate,
                static_cast<unsigned long long>(trainer.seed), name_of(trainer.precision),
                100 * options.sure);
  return words;
}

}  // namespace

Judgement judge(const Answers& held_out, const Answers& judging, bool apart, double sure) {
  Judgement judgement{Confusion(judging)};
  judgement.held_out = held_out.count();
  judgement.judged = judging.count();
  judgement.apart = apart;
  judgement.temperature = fit_temperature(held_out);
  judgement.error_before = calibration_error(judging, 1);
  judgement.error_after = calibration_error(judging, judgement.temperature);
  judgement.threshold = choose_threshold(held_out, judgement.temperature, sure);
  judgement.kept = part_above(judging, judgement.temperature, judgement.threshold.score);
  return judgement;
}

std::string report(const Photos& photos, const Judgement& j) {
  return text("accuracy on %zu %s pictures: %.2f %%\n", j.judged, j.apart ? "test" : "held-out",
              100 * j.confusion.accuracy()) +
         j.confusion.table(photos.classes) +
         text("temperature %.3f: calibration error %.2f %%, without it %.2f %%\n", j.temperature,
              100 * j.error_after, 100 * j.error_before) +
         (j.kept.answered > 0
              ? text("sure from score %.2f on: %.1f %% of the answers, %.1f %% of them right\n",
                     j.threshold.score, 100 * j.kept.answered, 100 * j.kept.right)
              : text("sure from score %.2f on, which no answer reaches\n", j.threshold.score));
}

std::string model_card(const TrainOptions& options, const Photos& photos, const Judgement& j) {
  return "# " + options.name + "\n\n" + options.source + "\n\n" +
         text("It knows %zu classes: ", photos.classes.size()) + joined(photos.classes, ", ") +
         ".\n\n" + "| | |\n|---|---|\n" +
         text("| input | %u x %u pixels, RGB; a photo of any size is squashed to that |\n",
              photos.size, photos.size) +
         text("| networks | %zu, the mean of whose answers is taken%s |\n",
              options.committee.size() + 1,
              options.trainer.mirror ? "; each looks at the picture and at its mirror image" : "") +
         text("| learned from | %zu pictures, %u epochs, seed %llu, products in %s |\n", j.trained,
              j.epochs, static_cast<unsigned long long>(options.trainer.seed),
              name_of(options.trainer.precision)) +
         text("| accuracy | %.2f %% of %zu pictures %s |\n", 100 * j.confusion.accuracy(), j.judged,
              j.apart ? "that it was neither trained nor tuned on"
                      : "that it was not trained on, but its scores were tuned on") +
         text(
             "| scores | softmax at temperature %.3f, chosen on %zu held-out pictures; expected "
             "calibration error %.2f %% (without: %.2f %%) |\n",
             j.temperature, j.held_out, 100 * j.error_after, 100 * j.error_before) +
         (j.kept.answered > 0
              ? text(
                    "| not sure | below %.2f. The %.1f %% of answers above it are right in %.1f %% "
                    "|\n",
                    j.threshold.score, 100 * j.kept.answered, 100 * j.kept.right)
              : text("| not sure | below %.2f, which no answer reached |\n", j.threshold.score)) +
         "| licence | " + options.licence + " |\n\n```\n" + j.confusion.table(photos.classes) +
         "```\n\n## How it was made\n\n    " + command(options, j.epochs) +
         "\n\n## What it cannot do\n\n"
         "It names one of its classes whatever is on the picture: of anything else the answer is "
         "wrong,\nand not always unsure. It sees pictures at the size above, so what is small in a "
         "photo is lost.\nHow good it is was measured on pictures like those it learned from; on "
         "others it may be worse.\n";
}

}  // namespace imgrec::training
