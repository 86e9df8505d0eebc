// The forms and precisions of a network against LibTorch's own answers.
#include "worker/inference/network.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <torch/script.h>

// Torch defines CHECK and LOG; nothing below uses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker_inference/test_files.h"
#include "worker/graph/passes.h"
#include "worker/inference/calibration.h"
#include "worker/inference/compiled_network.h"
#include "worker/inference/torch_graph.h"

namespace imgrec::worker {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryDirectory;

constexpr NetworkShape kShape{32, 32, 5};

class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() { torch::manual_seed(1); }

  // `body` reads x and the weights, and returns the scores.
  std::filesystem::path module(const std::string& body,
                               const std::vector<std::pair<std::string, at::Tensor>>& weights) {
    torch::jit::Module module("tiny");
    for (const auto& [name, tensor] : weights) module.register_parameter(name, tensor, false);
    module.define("def forward(self, x: Tensor):\n" + body);
    module.eval();
    const std::filesystem::path file = directory_.path() / "model.pt";
    module.save(file.string());
    return file;
  }

  // An inception block over a stem, and everything that a residual block has besides.
  std::filesystem::path mixed_module() {
    const auto random = [](std::vector<std::int64_t> shape) {
      double inputs = 1;
      for (std::size_t i = 1; i < shape.size(); ++i) inputs *= static_cast<double>(shape[i]);
      return torch::randn(shape) / std::sqrt(inputs);
    };
    return module(
        "  x = torch.relu(torch.conv2d(x * x * x, self.stem, self.stem_bias, [1, 1], [1, 1]))\n"
        "  a = torch.relu(torch.conv2d(x, self.one, None))\n"
        "  b = torch.relu(torch.conv2d(x, self.three, self.three_bias, [1, 1], [1, 1]))\n"
        "  c = torch.conv2d(torch.max_pool2d(x, [3, 3], [1, 1], [1, 1]), self.pool)\n"
        "  d = torch.hardtanh(torch.conv2d(x, self.depth, None, [1, 1], [1, 1], [1, 1], 32), 0.0, "
        "6.0)\n"
        "  x = torch.cat([a, b, torch.relu(c), d], 1)\n"
        "  y = torch.silu(torch.conv2d(x, self.back, None))\n"
        "  x = torch.relu(x + y)\n"
        "  x = torch.max_pool2d(x, [2, 2])\n"
        "  x = torch.mean(x, [2, 3])\n"
        "  return torch.softmax(torch.linear(x, self.head, self.head_bias), 1)\n",
        {{"stem", random({32, 3, 3, 3}) * 1e-5},
         {"stem_bias", random({32, 1}).flatten()},
         {"one", random({16, 32, 1, 1})},
         {"three", random({64, 32, 3, 3})},
         {"three_bias", random({64, 1}).flatten()},
         {"pool", random({24, 32, 1, 1})},
         {"depth", random({32, 1, 3, 3})},
         {"back", random({136, 136, 1, 1})},
         {"head", random({5, 136}) * 3},
         {"head_bias", random({5, 1}).flatten()}});
  }

  static std::vector<float> scores(const std::filesystem::path& file, NetworkForm form,
                                   Precision precision, const Ranges& ranges,
                                   const std::vector<float>& input) {
    const auto loaded = load_network(file, kShape, {form, precision, ranges});
    if (!loaded) throw std::runtime_error(loaded.status().message());
    return loaded->network->run(input).value();
  }

  static Ranges calibrated(const std::filesystem::path& file) {
    const auto calibration = Calibration::begin(file, kShape);
    if (!calibration) throw std::runtime_error(calibration.status().message());
    for (const auto& input : fixed_inputs(kShape)) {
      const Status status = (*calibration)->observe(input);
      if (!status.ok()) throw std::runtime_error(status.message());
    }
    return (*calibration)->ranges();
  }

  TemporaryDirectory directory_;
};

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST_F(NetworkTest, EveryFormGivesTheScoresOfTheSavedModule) {
  const auto file = mixed_module();
  for (const auto& input : fixed_inputs(kShape)) {
    const auto expected = scores(file, NetworkForm::kAsSaved, Precision::kFp32, {}, input);
    for (const NetworkForm form :
         {NetworkForm::kFrozen, NetworkForm::kOptimized, NetworkForm::kCompiled}) {
      EXPECT_LT(largest_difference(expected, scores(file, form, Precision::kFp32, {}, input)),
                1e-4F)
          << to_string(form);
    }
  }
}

TEST_F(NetworkTest, TakesTheCompiledFormUnlessToldOtherwise) {
  const auto file = mixed_module();
  EXPECT_EQ(load_network(file, kShape, {})->form, NetworkForm::kCompiled);
  EXPECT_EQ(load_network(file, kShape, {NetworkForm::kFrozen})->form, NetworkForm::kFrozen);
}

TEST_F(NetworkTest, LibTorchRunsWhatAGraphCannotHold) {
  const auto file =
      module("  return torch.cumsum(torch.mean(x, [2, 3]), 1)[:, [0, 1, 2, 0, 1]]\n", {});
  EXPECT_EQ(load_network(file, kShape, {})->form, NetworkForm::kOptimized);
  const auto compiled = load_network(file, kShape, {NetworkForm::kCompiled});
  ASSERT_FALSE(compiled.ok());
  EXPECT_EQ(compiled.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(compiled.status().message(), HasSubstr("cumsum"));
}

TEST_F(NetworkTest, LowerPrecisionsStayNear) {
  const auto file = mixed_module();
  const Ranges ranges = calibrated(file);
  const CpuArithmetic cpu = detect_cpu_arithmetic();
  for (const auto& input : fixed_inputs(kShape)) {
    const auto expected = scores(file, NetworkForm::kAsSaved, Precision::kFp32, {}, input);
    const auto distance = [&](Precision precision) {
      return largest_difference(expected,
                                scores(file, NetworkForm::kCompiled, precision, ranges, input));
    };
    // Equal to the last digit: then it would not be another precision at all.
    if (cpu.bf16) {
      EXPECT_LT(distance(Precision::kBf16), 0.03F);
      EXPECT_GT(distance(Precision::kBf16), 0.0F);
    }
    if (cpu.int8) {
      EXPECT_LT(distance(Precision::kInt8), 0.05F);
      EXPECT_GT(distance(Precision::kInt8), 0.0F);
    }
  }
  if (!cpu.bf16 || !cpu.int8) {
    GTEST_SKIP() << "SKIPPED: this CPU lacks AVX512_BF16 or AVX512_VNNI";
  }
}

TEST_F(NetworkTest, SaysWhyAPrecisionCannotBeHad) {
  const auto file = mixed_module();
  const CpuArithmetic cpu = detect_cpu_arithmetic();
  const auto refusal = [&](const NetworkOptions& options) {
    return load_network(file, kShape, options).status().message();
  };
  EXPECT_THAT(refusal({NetworkForm::kOptimized, Precision::kBf16}), HasSubstr("only the compiled"));
  if (!cpu.bf16) {
    EXPECT_THAT(refusal({{}, Precision::kBf16}), HasSubstr("AVX512_BF16"));
  }
  if (!cpu.int8) {
    EXPECT_THAT(refusal({{}, Precision::kInt8}), HasSubstr("AVX512_VNNI"));
    return;
  }
  EXPECT_THAT(refusal({{}, Precision::kInt8}), HasSubstr("imgrec-model calibrate"));
  EXPECT_THAT(refusal({{}, Precision::kInt8, {{"nobody", 1.0F}}}), HasSubstr("\"nobody\""));
}

TEST_F(NetworkTest, ACalibrationKnowsWhatIsNeverNegativeAndHowLargeItIs) {
  const auto file = module(
      "  a = torch.relu(torch.mean(x, [2, 3], True))\n"
      "  return torch.linear(torch.flatten(a, 1), self.head)\n",
      {{"head", torch::ones({5, 3})}});
  const auto calibration = Calibration::begin(file, kShape);
  ASSERT_TRUE(calibration.ok()) << calibration.status().message();
  for (const float value : {-5.0F, 3.0F, 2.0F}) {
    ASSERT_TRUE((*calibration)->observe(std::vector<float>(kShape.input_values(), value)).ok());
  }
  const Ranges ranges = (*calibration)->ranges();
  std::vector<float> values;
  for (const auto& [name, largest] : ranges) values.push_back(largest);
  std::sort(values.begin(), values.end());
  // The ReLU, and the sum of its three; not the mean, which was negative.
  EXPECT_EQ(values, (std::vector<float>{3, 9}));
}

TEST_F(NetworkTest, BatchesGiveWhatSinglePicturesGive) {
  const auto file = mixed_module();
  auto graph = read_torch_graph(file, kShape);
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  simplify(*graph);
  const Formats formats = choose_formats(*graph, Precision::kFp32, Format::kFloat, {});
  CompiledNetwork::Options two;
  two.batch = 2;
  const auto single = CompiledNetwork::compile(*graph, formats, {});
  const auto batch = CompiledNetwork::compile(*graph, formats, two);
  ASSERT_TRUE(single.ok() && batch.ok());
  const auto inputs = fixed_inputs(kShape);
  std::vector<float> both = inputs[0];
  both.insert(both.end(), inputs[1].begin(), inputs[1].end());
  std::vector<float> expected = (*single)->run(inputs[0]).value();
  const auto second = (*single)->run(inputs[1]).value();
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_LT(largest_difference(expected, (*batch)->run(both).value()), 1e-5F);
}

TEST_F(NetworkTest, RunsOnManyThreadsAtOnce) {
  const auto loaded = load_network(mixed_module(), kShape, {NetworkForm::kCompiled});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const auto inputs = fixed_inputs(kShape);
  const std::vector<float> expected[] = {loaded->network->run(inputs[0]).value(),
                                         loaded->network->run(inputs[1]).value()};
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      if (!loaded->network->prepare_thread().ok()) wrong[t] = 1000;
      for (int i = 0; i < 50; ++i) {
        if (loaded->network->run(inputs[t % 2]).value() != expected[t % 2]) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST_F(NetworkTest, RefusesAnInputOfAnotherSize) {
  const auto loaded = load_network(mixed_module(), kShape, {NetworkForm::kCompiled});
  EXPECT_FALSE(loaded->network->run(std::vector<float>(7)).ok());
}

TEST_F(NetworkTest, TakesADenseLayerInEitherWayOfWritingIt) {
  const at::Tensor weight = torch::randn({5, 3 * 8 * 8});
  const at::Tensor bias = torch::randn({5});
  const std::string pooled = "  x = torch.flatten(torch.max_pool2d(x, [4, 4]), 1)\n";
  const auto input = fixed_inputs(kShape).front();
  const auto of = [&](const std::filesystem::path& file, NetworkForm form) {
    return scores(file, form, Precision::kFp32, {}, input);
  };
  const auto linear =
      module(pooled + "  return torch.linear(x, self.w, self.b)\n", {{"w", weight}, {"b", bias}});
  const std::vector<float> expected = of(linear, NetworkForm::kAsSaved);
  EXPECT_TRUE(same_scores(expected, of(linear, NetworkForm::kCompiled)));
  const auto addmm = module(pooled + "  return torch.addmm(self.b, x, self.w)\n",
                            {{"w", weight.t().contiguous()}, {"b", bias}});
  EXPECT_TRUE(same_scores(expected, of(addmm, NetworkForm::kCompiled)));
}

TEST_F(NetworkTest, TakesTheGreatestOrTheMeanOfAllPlaces) {
  const auto input = fixed_inputs(kShape).front();
  for (const std::string way : {"amax(x, [2, 3])", "amax(x, [-1, -2])", "mean(x, [2, 3])"}) {
    const auto file =
        module("  return torch.linear(torch." + way + ", self.w)\n", {{"w", torch::randn({5, 3})}});
    const auto expected = scores(file, NetworkForm::kAsSaved, Precision::kFp32, {}, input);
    const auto compiled = scores(file, NetworkForm::kCompiled, Precision::kFp32, {}, input);
    EXPECT_TRUE(same_scores(expected, compiled)) << way;
  }
  const auto rows =
      module("  return torch.linear(torch.flatten(torch.amax(x, [2]), 1)[:, 0:5], self.w)\n",
             {{"w", torch::randn({5, 5})}});
  const auto refused = load_network(rows, kShape, {NetworkForm::kCompiled});
  EXPECT_THAT(refused.status().message(), HasSubstr("other than all places"));
}

// Where another operation stands between a convolution and its activation, and where none does.
TEST_F(NetworkTest, ActivationsAreRightOnTheirOwnToo) {
  for (const std::string activation : {"relu", "silu"}) {
    const auto file = module(
        "  x = torch.max_pool2d(torch.conv2d(x, self.a, None, [1, 1], [1, 1]), [2, 2])\n"
        "  x = torch." +
            activation +
            "(x)\n"
            "  x = torch." +
            activation +
            "_(torch.conv2d(x, self.b))\n"
            "  return torch.linear(torch.mean(x, [2, 3]), self.c)\n",
        {{"a", torch::randn({16, 3, 3, 3}) / 500},
         {"b", torch::randn({24, 16, 1, 1}) / 4},
         {"c", torch::randn({5, 24})}});
    for (const auto& input : fixed_inputs(kShape)) {
      const auto expected = scores(file, NetworkForm::kAsSaved, Precision::kFp32, {}, input);
      EXPECT_LT(largest_difference(
                    expected, scores(file, NetworkForm::kCompiled, Precision::kFp32, {}, input)),
                1e-4F)
          << activation;
    }
  }
}

// 3x3 kernels over many channels, which oneDNN has in two algorithms and several sizes.
TEST_F(NetworkTest, LargeConvolutionsAreRight) {
  const auto file = module(
      "  x = torch.relu(torch.conv2d(x, self.a, None, [1, 1], [1, 1]))\n"
      "  x = torch.relu(torch.conv2d(x, self.b, None, [1, 1], [1, 1]))\n"
      "  x = torch.conv2d(x, self.c, None, [1, 1], [1, 1])\n"
      "  return torch.mean(x, [2, 3])\n",
      {{"a", torch::randn({128, 3, 3, 3}) / 5},
       {"b", torch::randn({192, 128, 3, 3}) / 34},
       {"c", torch::randn({5, 192, 3, 3}) / 41}});
  const auto input = fixed_inputs(kShape).front();
  const auto expected = scores(file, NetworkForm::kAsSaved, Precision::kFp32, {}, input);
  EXPECT_TRUE(
      same_scores(expected, scores(file, NetworkForm::kCompiled, Precision::kFp32, {}, input)));
}

}  // namespace
}  // namespace imgrec::worker
