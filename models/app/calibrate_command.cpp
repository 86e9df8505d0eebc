#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <utility>

#include "models/app/arguments.h"
#include "models/app/commands.h"
#include "models/app/new_folder.h"
#include "training/data/picture_files.h"
#include "worker/inference/calibration.h"
#include "worker/inference/image_decoder.h"
#include "worker/inference/model_folder.h"
#include "worker/inference/preprocess.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::models {

const std::string_view kCalibrateHelp =
    "Usage: imgrec-model calibrate DIR --photos PHOTOS [--count N]\n"
    "\n"
    "Prepares a model folder for `imgrec-worker --precision int8`: runs the network on photos,\n"
    "writes how large its values become to DIR/ranges.tsv, and says how often int8 and bf16 then\n"
    "find the same best class as fp32 on all of PHOTOS. The model's digest changes.\n"
    "\n"
    "  --photos PHOTOS  a directory of photos, perhaps in folders, like those that are to be\n"
    "                   recognised; some tens are enough\n"
    "  --count N        calibrate on N of them, evenly chosen (default: 50); with more photos "
    "than\n"
    "                   that, the agreement is a fair judgement\n";

namespace {

namespace fs = std::filesystem;
using worker::Precision;

struct Picture {
  std::string name;
  std::string bytes;
  bool calibrates = false;
};

Result<std::vector<Picture>> read_pictures(const fs::path& directory, unsigned count,
                                           worker::Shrinking shrinking) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    return Status(StatusCode::kNotFound, "there is no directory " + directory.string());
  }
  const worker::ImageDecoder decoder(100'000'000);
  std::vector<Picture> pictures;
  for (const fs::path& file : training::files_below(directory).files) {
    auto bytes = training::read_whole_file(file);
    if (!bytes || decoder.decode(*bytes, shrinking).index() != 0) continue;
    pictures.push_back({file.filename().string(), *std::move(bytes), false});
  }
  if (pictures.empty()) {
    return Status(StatusCode::kNotFound, directory.string() + " holds no pictures");
  }
  const std::size_t chosen = std::min<std::size_t>(count, pictures.size());
  for (std::size_t i = 0; i < chosen; ++i) pictures[i * pictures.size() / chosen].calibrates = true;
  return pictures;
}

struct Observed {
  worker::Ranges ranges;
  worker::Calibration::Coverage coverage;
};

Result<Observed> observe(const worker::ModelFolder& folder, const std::vector<Picture>& pictures) {
  const worker::ModelSpec& spec = folder.spec;
  auto calibration = worker::Calibration::begin(
      folder.module, {spec.input_width, spec.input_height, spec.classes});
  if (!calibration) return calibration.status();
  const worker::ImageDecoder decoder(100'000'000);
  for (const Picture& picture : pictures) {
    if (!picture.calibrates) continue;
    const auto pixels = decoder.decode(picture.bytes, worker::shrinking_for(spec));
    const Status status = (*calibration)->observe(worker::preprocess(std::get<0>(pixels), spec));
    if (!status.ok()) return status;
  }
  const Observed observed{(*calibration)->ranges(), (*calibration)->coverage()};
  if (observed.coverage.bytes == 0) {
    return Status(StatusCode::kUnsupported,
                  std::string("there is no int8 of this network: ") + worker::kWhyNoBytes);
  }
  return observed;
}

// A copy of the folder with the ranges in it.
Status fill_folder(const fs::path& from, const NewFolder& to, worker::ModelSpec spec,
                   const worker::Ranges& ranges) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from, error)) {
    fs::copy(entry.path(), to.path() / entry.path().filename(), fs::copy_options::recursive, error);
    if (error) return {StatusCode::kInternal, entry.path().string() + ": " + error.message()};
  }
  const std::string text = worker::format_ranges(ranges);
  spec.ranges_sha256 = worker::sha256_hex(text);
  const Status status = to.write(worker::kRangesFile, text);
  return status.ok() ? to.write(worker::kSpecFile, worker::format_model_spec(spec)) : status;
}

// The best class of each picture, by number.
Result<std::vector<proto::ScoredClass>> best_classes(const fs::path& directory, Precision precision,
                                                     const std::vector<Picture>& pictures) {
  worker::TorchEngineOptions options;
  options.model_dir = directory;
  options.precision = precision;
  auto engine = worker::TorchEngine::open(options);
  if (!engine) return engine.status();
  if (Status status = (*engine)->warm_up_this_thread(); !status.ok()) return status;
  std::vector<proto::ScoredClass> best;
  for (const Picture& picture : pictures) {
    auto prepared = (*engine)->prepare(picture.bytes);
    if (auto* failed = std::get_if<worker::EngineFailure>(&prepared)) {
      return Status(StatusCode::kInternal, picture.name + ": " + failed->text);
    }
    auto answer = (*engine)->infer(*std::get<0>(prepared), 1);
    if (auto* failed = std::get_if<worker::EngineFailure>(&answer)) {
      return Status(StatusCode::kInternal, picture.name + ": " + failed->text);
    }
    best.push_back(std::get<0>(answer).front());
  }
  return best;
}

Status print_agreement(const fs::path& directory, const std::vector<Picture>& pictures) {
  const auto expected = best_classes(directory, Precision::kFp32, pictures);
  if (!expected) return expected.status();
  for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
    const auto found = best_classes(directory, precision, pictures);
    if (!found) {
      std::cout << to_string(precision) << ": " << found.status().message() << "\n";
      continue;
    }
    unsigned same[2] = {0, 0};  // of other photos, of those of the calibration
    unsigned all[2] = {0, 0};
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      const std::size_t which = pictures[i].calibrates ? 1 : 0;
      ++all[which];
      same[which] += (*found)[i].index == (*expected)[i].index ? 1U : 0U;
    }
    std::cout << to_string(precision) << ": same best class as fp32 on " << same[1] << " of "
              << all[1] << " photos of the calibration and " << same[0] << " of " << all[0]
              << " others\n";
  }
  return {};
}

Status calibrate(const fs::path& directory, const fs::path& photos, unsigned count) {
  const auto folder = worker::load_model_folder(directory);
  if (!folder) return folder.status();
  const auto pictures = read_pictures(photos, count, worker::shrinking_for(folder->spec));
  if (!pictures) return pictures.status();
  const auto observed = observe(*folder, *pictures);
  if (!observed) return observed.status();
  auto target = NewFolder::create(directory, /*replace=*/true);
  if (!target) return target.status();
  Status status = fill_folder(directory, *target, folder->spec, observed->ranges);
  if (status.ok()) status = print_agreement(target->path(), *pictures);
  if (status.ok()) status = target->commit();
  if (!status.ok()) return status;
  std::cout << "wrote " << (directory / worker::kRangesFile).string() << ": the ranges of "
            << observed->ranges.size() << " tensors; " << observed->coverage.bytes << " of "
            << observed->coverage.all << " convolutions count in 8 bits\n";
  return {};
}

}  // namespace

int run_calibrate(const std::vector<std::string>& words) {
  const Result<Arguments> arguments = Arguments::parse(words, {.values = {"--photos", "--count"},
                                                               .required = {"--photos"},
                                                               .min_operands = 1,
                                                               .max_operands = 1,
                                                               .operand = "DIR"});
  if (!arguments) return complain(arguments.status(), kWrongUsage);
  const auto count = parse_count("--count", arguments->value("--count", "50"), 1, 100'000);
  if (!count) return complain(count.status(), kWrongUsage);
  const Status status =
      calibrate(arguments->operands().front(), arguments->value("--photos"), *count);
  return status.ok() ? kGood : complain(status, kFailure);
}

}  // namespace imgrec::models
