#include "worker/inference/torch_engine.h"

#include <cmath>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <torch/script.h>

// Torch defines CHECK and LOG; nothing below uses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include "tests/unit/worker_inference/test_files.h"

namespace imgrec::worker {
namespace {

using proto::FailCode;
using proto::ScoredClass;
using testing::complete_folder;
using ::testing::HasSubstr;
using testing::TemporaryDirectory;
using testing::tiny_spec;
using testing::write_text;

std::string picture(const cv::Scalar& colour) {
  std::vector<unsigned char> bytes;
  cv::imencode(".png", cv::Mat(20, 30, CV_8UC3, colour), bytes);
  return {bytes.begin(), bytes.end()};
}

// Scores are the mean blue, green and red of the input, so that the best class is the colour.
const std::string kMeans = "def forward(self, x: Tensor):\n  return x.mean([2, 3]) * 0.01\n";

class TorchEngineTest : public ::testing::Test {
 protected:
  void make_folder(const std::string& source, OutputKind outputs = OutputKind::kLogits) {
    torch::jit::Module module("tiny");
    module.define(source);
    module.save((directory_.path() / kModuleFile).string());
    ModelSpec spec = tiny_spec();
    spec.outputs = outputs;
    spec.unsure_below = 0.4;
    complete_folder(directory_.path(), spec);
  }

  Result<std::unique_ptr<Engine>> open() {
    return TorchEngine::open({.model_dir = directory_.path()});
  }

  std::unique_ptr<Engine> opened() {
    Result<std::unique_ptr<Engine>> engine = open();
    if (!engine) throw std::runtime_error(engine.status().message());
    return std::move(engine).value();
  }

  static EngineResult<std::vector<ScoredClass>> answer(Engine& engine, const std::string& bytes,
                                                       unsigned top_k = 3) {
    auto prepared = engine.prepare(bytes);
    if (auto* failed = std::get_if<EngineFailure>(&prepared)) return *failed;
    return engine.infer(*std::get<0>(prepared), top_k);
  }

  TemporaryDirectory directory_;
};

TEST_F(TorchEngineTest, SaysWhatModelItIs) {
  make_folder(kMeans);
  const auto engine = opened();
  EXPECT_EQ(engine->model().name, "tiny");
  EXPECT_EQ(engine->model().labels, (std::vector<std::string>{"ant", "bee", "cow"}));
  EXPECT_EQ(engine->model().digest.size(), 64U);
  EXPECT_FLOAT_EQ(engine->model().unsure_below, 0.4F);
}

TEST_F(TorchEngineTest, AnswersBestFirstWithProbabilitiesFromLogits) {
  make_folder(kMeans);
  const auto engine = opened();
  ASSERT_TRUE(engine->warm_up_this_thread().ok());
  const auto result = answer(*engine, picture(cv::Scalar(10, 250, 120)));
  ASSERT_EQ(result.index(), 0U);
  const auto& top = std::get<0>(result);
  ASSERT_EQ(top.size(), 3U);
  EXPECT_EQ(top[0].index, 1U);
  EXPECT_EQ(top[1].index, 2U);
  EXPECT_EQ(top[2].index, 0U);
  // softmax of (10 - 104, 250 - 117, 120 - 123) / 100
  const double e[] = {std::exp(-0.94), std::exp(1.33), std::exp(-0.03)};
  EXPECT_NEAR(top[0].score, e[1] / (e[0] + e[1] + e[2]), 1e-5);
  EXPECT_NEAR(top[2].score, e[0] / (e[0] + e[1] + e[2]), 1e-5);
}

TEST_F(TorchEngineTest, GivesProbabilitiesAsTheyAre) {
  make_folder("def forward(self, x: Tensor):\n  return torch.softmax(x.mean([2, 3]) * 0.01, 1)\n",
              OutputKind::kProbabilities);
  const auto engine = opened();
  const auto result = answer(*engine, picture(cv::Scalar(10, 250, 120)));
  ASSERT_EQ(result.index(), 0U);
  const double e[] = {std::exp(-0.94), std::exp(1.33), std::exp(-0.03)};
  EXPECT_NEAR(std::get<0>(result)[0].score, e[1] / (e[0] + e[1] + e[2]), 1e-5);
}

TEST_F(TorchEngineTest, AnswersWithAsManyClassesAsThereAre) {
  make_folder(kMeans);
  const auto engine = opened();
  EXPECT_EQ(std::get<0>(answer(*engine, picture(cv::Scalar::all(5)), 1)).size(), 1U);
  EXPECT_EQ(std::get<0>(answer(*engine, picture(cv::Scalar::all(5)), 500)).size(), 3U);
}

TEST_F(TorchEngineTest, OfEqualScoresTheLowerClassComesFirst) {
  make_folder("def forward(self, x: Tensor):\n  return torch.zeros([1, 3])\n");
  const auto top = std::get<0>(answer(*opened(), picture(cv::Scalar::all(5))));
  EXPECT_EQ(top[0].index, 0U);
  EXPECT_EQ(top[2].index, 2U);
}

TEST_F(TorchEngineTest, AnswersForEachOfABatch) {
  make_folder(
      "def forward(self, x: Tensor):\n"
      "  return torch.flatten(torch.mean(torch.relu(x), [2, 3], True), 1)\n");
  TorchEngineOptions options;
  options.model_dir = directory_.path();
  options.batch = 3;
  const auto opening = TorchEngine::open(options);
  ASSERT_TRUE(opening.ok()) << opening.status().message();
  Engine& engine = **opening;
  ASSERT_EQ(engine.batches().largest(), 3u);
  ASSERT_TRUE(engine.warm_up_this_thread().ok());
  std::vector<std::unique_ptr<PreparedImage>> prepared;
  std::vector<const PreparedImage*> pictures;
  for (const cv::Scalar& colour :
       {cv::Scalar(250, 10, 120), cv::Scalar(10, 250, 120), cv::Scalar(10, 20, 240)}) {
    prepared.push_back(std::get<0>(engine.prepare(picture(colour))));
    pictures.push_back(prepared.back().get());
  }
  for (std::size_t count = 1; count <= pictures.size(); ++count) {
    const auto results = engine.infer(std::span(pictures).first(count), 3);
    ASSERT_EQ(results.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto& top = std::get<0>(results[i]);
      EXPECT_EQ(top.front().index, i) << "the class of its colour";
      EXPECT_EQ(top.front().score, std::get<0>(engine.infer(*pictures[i], 3)).front().score);
    }
  }
}

TEST_F(TorchEngineTest, AnswersTheSameFromManyThreadsAtOnce) {
  make_folder(kMeans);
  const auto engine = opened();
  const std::string bytes = picture(cv::Scalar(10, 250, 120));
  const auto expected = std::get<0>(answer(*engine, bytes));
  std::vector<std::thread> threads;
  std::vector<int> wrong(3, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      if (!engine->warm_up_this_thread().ok()) wrong[t] = 1000;
      for (int i = 0; i < 20; ++i) {
        const auto result = answer(*engine, bytes);
        const bool same = result.index() == 0 &&
                          std::get<0>(result)[0].index == expected[0].index &&
                          std::get<0>(result)[0].score == expected[0].score;
        wrong[t] += same ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(3, 0));
}

TEST_F(TorchEngineTest, FailsAPictureWhoseScoresAreNoNumbersAndGoesOn) {
  // NaN for a picture that is all white; the inputs tried at load are not.
  make_folder(
      "def forward(self, x: Tensor):\n  m = x.mean([2, 3])\n  return m + torch.log(400.0 - "
      "m.sum()) * 0.0 "
      "if bool(m.sum() < 300.0) else m * float('nan')\n");
  const auto engine = opened();
  const auto result = answer(*engine, picture(cv::Scalar::all(255)));
  ASSERT_EQ(result.index(), 1U);
  EXPECT_EQ(std::get<1>(result).code, FailCode::kInference);
  EXPECT_FALSE(std::get<1>(result).text.empty());
  EXPECT_EQ(answer(*engine, picture(cv::Scalar::all(50))).index(), 0U);
}

TEST_F(TorchEngineTest, FailsAPictureOnWhichTheNetworkThrowsAndGoesOn) {
  make_folder(
      "def forward(self, x: Tensor):\n  m = x.mean([2, 3])\n  assert bool(m.sum() < 300.0), \"too "
      "bright\"\n"
      "  return m\n");
  const auto engine = opened();
  const auto result = answer(*engine, picture(cv::Scalar::all(255)));
  ASSERT_EQ(result.index(), 1U);
  EXPECT_EQ(std::get<1>(result).code, FailCode::kInference);
  EXPECT_TRUE(std::get<1>(result).retriable);
  EXPECT_LT(std::get<1>(result).text.size(), 600U);
  EXPECT_EQ(answer(*engine, picture(cv::Scalar::all(50))).index(), 0U);
}

TEST_F(TorchEngineTest, PassesOnWhatTheDecoderSays) {
  make_folder(kMeans);
  const auto engine = opened();
  const auto result = answer(*engine, "a letter, no picture");
  ASSERT_EQ(result.index(), 1U);
  EXPECT_EQ(std::get<1>(result).code, FailCode::kNotAnImage);
}

TEST_F(TorchEngineTest, RefusesAPictureOfAnotherEngine) {
  make_folder(kMeans);
  struct Other : PreparedImage {};
  const auto result = opened()->infer(Other(), 3);
  ASSERT_EQ(result.index(), 1U);
  EXPECT_EQ(std::get<1>(result).code, FailCode::kInternal);
}

TEST_F(TorchEngineTest, DoesNotOpenAModelThatIsNoModule) {
  write_text(directory_.path() / kModuleFile, "no module");
  complete_folder(directory_.path());
  const auto engine = open();
  ASSERT_FALSE(engine.ok());
  EXPECT_THAT(engine.status().message(), HasSubstr("model.pt"));
  EXPECT_EQ(engine.status().message().find("frame #"), std::string::npos)
      << "a backtrace for users";
}

TEST_F(TorchEngineTest, DoesNotOpenAModelOfAnotherShape) {
  make_folder("def forward(self, x: Tensor):\n  return torch.zeros([1, 4])\n");
  EXPECT_THAT(open().status().message(), HasSubstr("it gives 1x4 scores, not the 1x3"));
  make_folder("def forward(self, x: Tensor):\n  return torch.zeros([3])\n");
  EXPECT_THAT(open().status().message(), HasSubstr("it gives 3 scores"));
  make_folder(
      "def forward(self, x: Tensor):\n  return torch.conv2d(x, torch.zeros([3, 4, 1, 1]))\n");
  EXPECT_FALSE(open().ok());
  make_folder("def forward(self, x: Tensor):\n  return torch.log(torch.zeros([1, 3]) - 1.0)\n");
  EXPECT_THAT(open().status().message(), HasSubstr("scores that are no numbers"));
  make_folder("def forward(self, x: Tensor):\n  return (x, x)\n");
  EXPECT_FALSE(open().ok());
}

TEST_F(TorchEngineTest, RunsTheModuleAsSavedWhereOptimisingChangesItsScores) {
  make_folder(kMeans);
  EXPECT_EQ(static_cast<TorchEngine&>(*opened()).form(), NetworkForm::kOptimized);
  // Never gives the same twice, so no other form of it can be shown to be right.
  make_folder(
      "def forward(self, x: Tensor):\n  return x.mean([2, 3]) + torch.rand([1, 3]) * 1000.0\n");
  EXPECT_EQ(static_cast<TorchEngine&>(*opened()).form(), NetworkForm::kAsSaved);
}

TEST_F(TorchEngineTest, DoesNotOpenAMissingFolder) {
  const auto engine = TorchEngine::open({.model_dir = directory_.path() / "none"});
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace imgrec::worker
