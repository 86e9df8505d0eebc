// The real network on real photos, where the shared test data are.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <sstream>

#include <gtest/gtest.h>

#include "models/app/commands.h"
#include "tests/unit/models/tiny_caffe.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::models {
namespace {

namespace fs = std::filesystem;

fs::path shared_directory() {
  const char* variable = std::getenv("IMGREC_SHARED");
  return variable != nullptr ? variable : IMGREC_SHARED_DEFAULT;
}

struct Reference {
  std::string file;
  std::vector<std::pair<std::string, float>> top;  // synset and probability, best first
};

// "file <tab> n01440764:0.99817 <tab> …", after one heading line.
std::vector<Reference> read_references(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  std::vector<Reference> references;
  while (std::getline(stream, line)) {
    std::istringstream columns(line);
    Reference reference;
    columns >> reference.file;
    for (std::string column; columns >> column;) {
      const std::size_t colon = column.find(':');
      reference.top.emplace_back(column.substr(0, colon), std::stof(column.substr(colon + 1)));
    }
    references.push_back(std::move(reference));
  }
  return references;
}

// Imports once for all tests of this suite.
class GoogLeNet : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const fs::path files = shared_directory() / "models" / "bvlc_googlenet";
    if (!fs::exists(files / "bvlc_googlenet.caffemodel")) return;
    directory_ = std::make_unique<testing::TemporaryDirectory>();
    ::testing::internal::CaptureStdout();
    const int code = run_import_caffe({"--prototxt", files / "deploy.prototxt", "--caffemodel",
                                       files / "bvlc_googlenet.caffemodel", "--labels",
                                       files / "synset_words.txt", "--out", model()});
    import_output_ = ::testing::internal::GetCapturedStdout();
    if (code != kGood) return;
    auto engine = worker::TorchEngine::open({.model_dir = model()});
    if (engine.ok()) engine_ = std::move(*engine);
  }
  static void TearDownTestSuite() {
    engine_.reset();
    directory_.reset();
  }
  void SetUp() override {
    if (directory_ == nullptr) {
      GTEST_SKIP() << "SKIPPED: no shared/models/bvlc_googlenet beside the checkout or in "
                      "IMGREC_SHARED; the real network is not tested";
    }
    ASSERT_NE(engine_, nullptr) << "the import failed; it said: " << import_output_;
  }
  static fs::path model() { return directory_->path() / "googlenet"; }

  static std::unique_ptr<testing::TemporaryDirectory> directory_;
  static std::unique_ptr<worker::Engine> engine_;
  static std::string import_output_;
};

std::unique_ptr<testing::TemporaryDirectory> GoogLeNet::directory_;
std::unique_ptr<worker::Engine> GoogLeNet::engine_;
std::string GoogLeNet::import_output_;

TEST_F(GoogLeNet, IsImportedWithAllItsWeights) {
  EXPECT_NE(import_output_.find("6998552 weights of 58 layers"), std::string::npos)
      << import_output_;
  EXPECT_EQ(engine_->model().labels.size(), 1000U);
}

TEST_F(GoogLeNet, RunsCompiled) {
  EXPECT_EQ(static_cast<worker::TorchEngine&>(*engine_).form(), worker::NetworkForm::kCompiled);
}

// In how many photos the best class is the reference's.
int agreement(worker::Engine& engine, const fs::path& photos,
              const std::vector<Reference>& references) {
  EXPECT_TRUE(engine.warm_up_this_thread().ok());
  int same_best = 0;
  for (const Reference& reference : references) {
    std::ifstream stream(photos / reference.file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    auto prepared = engine.prepare(bytes);
    const auto answer = engine.infer(*std::get<0>(prepared), 1);
    const auto& label = engine.model().labels[std::get<0>(answer).front().index];
    same_best += label.substr(0, 9) == reference.top.front().first ? 1 : 0;
  }
  return same_best;
}

TEST_F(GoogLeNet, RecognisesThePhotosInLowerPrecisionsToo) {
  const fs::path photos = shared_directory() / "data" / "photos";
  if (!fs::exists(photos / "reference.tsv")) GTEST_SKIP() << "SKIPPED: no shared/data/photos";
  const std::vector<Reference> references = read_references(photos / "reference.tsv");
  const fs::path copy = directory_->path() / "calibrated";
  fs::copy(model(), copy);
  ::testing::internal::CaptureStdout();
  const int code = run_calibrate({copy, "--photos", photos, "--count", "20"});
  const std::string output = ::testing::internal::GetCapturedStdout();
  ASSERT_EQ(code, kGood) << output;
  for (const worker::Precision precision : {worker::Precision::kBf16, worker::Precision::kInt8}) {
    worker::TorchEngineOptions options;
    options.model_dir = copy;
    options.precision = precision;
    const auto engine = worker::TorchEngine::open(options);
    if (engine.status().code() == StatusCode::kUnsupported) {
      std::cout << "SKIPPED: " << engine.status().message() << "\n";
      continue;
    }
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    const int same_best = agreement(**engine, photos, references);
    std::cout << to_string(precision) << ": same best class: " << same_best << " of 100\n";
    EXPECT_GE(same_best, 97) << to_string(precision);
  }
}

TEST_F(GoogLeNet, RecognisesPhotosTogetherAsItDoesAlone) {
  const fs::path photos = shared_directory() / "data" / "photos";
  if (!fs::exists(photos / "reference.tsv")) GTEST_SKIP() << "SKIPPED: no shared/data/photos";
  constexpr std::size_t kPhotos = 11;  // fours leave three, pairs one
  for (const unsigned batch : {2u, 4u}) {
    worker::TorchEngineOptions options;
    options.model_dir = model();
    options.batch = batch;
    const auto engine = worker::TorchEngine::open(options);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    ASSERT_EQ((*engine)->batches().largest(), batch);
    ASSERT_TRUE((*engine)->warm_up_this_thread().ok());
    std::vector<std::unique_ptr<worker::PreparedImage>> prepared;
    std::vector<const worker::PreparedImage*> pictures;
    for (const Reference& reference : read_references(photos / "reference.tsv")) {
      if (prepared.size() == kPhotos) break;
      std::ifstream stream(photos / reference.file, std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
      prepared.push_back(std::get<0>((*engine)->prepare(bytes)));
      pictures.push_back(prepared.back().get());
    }
    ASSERT_EQ(pictures.size(), kPhotos);
    for (std::size_t first = 0; first < kPhotos; first += batch) {
      const std::size_t count = std::min<std::size_t>(batch, kPhotos - first);
      const auto together = (*engine)->infer(std::span(pictures).subspan(first, count), 5);
      ASSERT_EQ(together.size(), count);
      for (std::size_t i = 0; i < count; ++i) {
        const auto alone = std::get<0>((*engine)->infer(*pictures[first + i], 5));
        const auto& top = std::get<0>(together[i]);
        ASSERT_EQ(top.size(), alone.size());
        EXPECT_EQ(top.front().index, alone.front().index) << first + i;
        EXPECT_NEAR(top.front().score, alone.front().score, 1e-4F) << first + i;
      }
    }
  }
}

TEST_F(GoogLeNet, RecognisesThePhotosAsTheReferenceDoes) {
  const fs::path photos = shared_directory() / "data" / "photos";
  if (!fs::exists(photos / "reference.tsv")) GTEST_SKIP() << "SKIPPED: no shared/data/photos";
  const std::vector<Reference> references = read_references(photos / "reference.tsv");
  ASSERT_EQ(references.size(), 100U);
  ASSERT_TRUE(engine_->warm_up_this_thread().ok());

  int same_best = 0;
  float max_difference = 0;
  std::string worst;
  for (const Reference& reference : references) {
    std::ifstream stream(photos / reference.file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    auto prepared = engine_->prepare(bytes);
    ASSERT_EQ(prepared.index(), 0U) << reference.file << ": " << std::get<1>(prepared).text;
    const auto answer = engine_->infer(*std::get<0>(prepared), 1000);
    ASSERT_EQ(answer.index(), 0U) << reference.file << ": " << std::get<1>(answer).text;
    const auto& scored = std::get<0>(answer);
    std::map<std::string, float> scores;
    for (const auto& entry : scored) {
      scores[engine_->model().labels[entry.index].substr(0, 9)] = entry.score;
    }
    const std::string best = engine_->model().labels[scored.front().index].substr(0, 9);
    same_best += best == reference.top.front().first ? 1 : 0;
    for (const auto& [synset, probability] : reference.top) {
      const float difference = std::abs(scores.at(synset) - probability);
      if (difference > max_difference) {
        max_difference = difference;
        worst = reference.file;
      }
    }
  }
  std::cout << "same best class: " << same_best << " of " << references.size()
            << "; largest difference of a top-five probability: " << max_difference << " (" << worst
            << ")\n";
  EXPECT_GE(same_best, 99);
  EXPECT_LE(max_difference, 0.02F);
}

}  // namespace
}  // namespace imgrec::models
