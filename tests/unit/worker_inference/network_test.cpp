// The forms and precisions of a network against LibTorch's own answers.
#include "worker/inference/network.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
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
#include "worker/inference/onednn_plan.h"
#include "worker/inference/torch_graph.h"

namespace imgrec::worker {
namespace {

using ::testing::Each;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using testing::TemporaryDirectory;

constexpr NetworkShape kShape{32, 32, 5};

// Noise and a slope, of values as the older networks read them.
const std::vector<std::vector<float>>& probes() {
  static const std::vector<std::vector<float>> inputs = [] {
    std::vector<float> noise(kShape.input_values());
    std::vector<float> slope(kShape.input_values());
    std::uint32_t state = 12345;
    for (std::size_t i = 0; i < noise.size(); ++i) {
      state = state * 1664525U + 1013904223U;  // Numerical Recipes' generator
      noise[i] = static_cast<float>(state >> 24) - 128.0F;
      slope[i] = static_cast<float>(i % kShape.width) * 255.0F / kShape.width - 128.0F;
    }
    return std::vector<std::vector<float>>{std::move(noise), std::move(slope)};
  }();
  return inputs;
}

Result<LoadedNetwork> load_at(const ModuleFile& file, const NetworkOptions& options) {
  return load_network(file, kShape, probes(), options);
}

class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() { torch::manual_seed(1); }

  // `body` reads x and the weights, and returns the scores.
  ModuleFile module(const std::string& body,
                    const std::vector<std::pair<std::string, at::Tensor>>& weights) {
    torch::jit::Module module("tiny");
    for (const auto& [name, tensor] : weights) module.register_parameter(name, tensor, false);
    module.define("def forward(self, x: Tensor):\n" + body);
    module.eval();
    const std::filesystem::path file = directory_.path() / "model.pt";
    module.save(file.string());
    return read_module_file(file).value();
  }

  // An inception block over a stem, and everything that a residual block has besides.
  ModuleFile mixed_module() {
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

  static std::vector<float> scores(const ModuleFile& file, NetworkForm form, Precision precision,
                                   const Ranges& ranges, const std::vector<float>& input) {
    const auto loaded = load_at(file, {form, precision, ranges});
    if (!loaded) throw std::runtime_error(loaded.status().message());
    return loaded->network->run(input).value();
  }

  static Ranges calibrated(const ModuleFile& file) {
    const auto calibration = Calibration::begin(file, kShape);
    if (!calibration) throw std::runtime_error(calibration.status().message());
    for (const auto& input : probes()) {
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
  for (const auto& input : probes()) {
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
  EXPECT_EQ(load_at(file, {})->form, NetworkForm::kCompiled);
  EXPECT_EQ(load_at(file, {NetworkForm::kFrozen})->form, NetworkForm::kFrozen);
}

TEST_F(NetworkTest, LibTorchRunsWhatAGraphCannotHold) {
  const auto file =
      module("  return torch.cumsum(torch.mean(x, [2, 3]), 1)[:, [0, 1, 2, 0, 1]]\n", {});
  EXPECT_EQ(load_at(file, {})->form, NetworkForm::kOptimized);
  const auto compiled = load_at(file, {NetworkForm::kCompiled});
  ASSERT_FALSE(compiled.ok());
  EXPECT_EQ(compiled.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(compiled.status().message(), HasSubstr("cumsum"));
}

TEST_F(NetworkTest, LowerPrecisionsStayNear) {
  const auto file = mixed_module();
  const Ranges ranges = calibrated(file);
  const CpuArithmetic cpu = detect_cpu_arithmetic();
  for (const auto& input : probes()) {
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
    return load_at(file, options).status().message();
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
  auto graph = read_torch_graph(mixed_module(), kShape);
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  simplify(*graph);
  const Formats formats = choose_formats(*graph, Precision::kFp32, Format::kFloat, {});
  const auto inputs = probes();
  for (const unsigned batch : {2u, 3u, 4u}) {
    CompiledNetwork::Options options;
    options.batches = BatchSizes::up_to(batch);
    options.only_if_faster = false;
    const auto network = CompiledNetwork::compile(*graph, formats, options);
    ASSERT_TRUE(network.ok()) << network.status().message();
    ASSERT_EQ((*network)->batching().sizes().sizes(), options.batches.sizes())
        << (*network)->batching().why_no_more;
    EXPECT_EQ((*network)->batching().why_no_more, "");
    EXPECT_GT((*network)->batching().gain(), 0);
    // Whole batches, smaller ones, and what is left over.
    for (std::size_t count = 1; count <= 2 * batch + 1; ++count) {
      std::vector<const std::vector<float>*> some;
      for (std::size_t i = 0; i < count; ++i) some.push_back(&inputs[i % inputs.size()]);
      const auto together = (*network)->run(some);
      ASSERT_TRUE(together.ok()) << together.status().message();
      ASSERT_EQ(together->size(), count);
      for (std::size_t i = 0; i < count; ++i) {
        const auto alone = (*network)->run(*some[i]);
        EXPECT_LT(largest_difference(alone.value(), (*together)[i]), 1e-5F) << batch << ' ' << i;
      }
    }
    (*network)->give_up_batches(batch, "of no use");
    EXPECT_LT((*network)->batching().sizes().largest(), batch);
    EXPECT_EQ((*network)->batching().sizes().none(), batch != 4) << "the pair is left";
    EXPECT_EQ((*network)->batching().why_no_more, "of no use");
    EXPECT_TRUE((*network)->run(std::vector<const std::vector<float>*>(batch, &inputs[0])).ok());
  }
}

TEST_F(NetworkTest, ABatchWithAnInputOfAnotherSizeFailsAsAWhole) {
  auto graph = read_torch_graph(mixed_module(), kShape);
  ASSERT_TRUE(graph.ok());
  simplify(*graph);
  CompiledNetwork::Options options;
  options.batches = BatchSizes::up_to(2);
  options.only_if_faster = false;
  const auto network = CompiledNetwork::compile(
      *graph, choose_formats(*graph, Precision::kFp32, Format::kFloat, {}), options);
  ASSERT_TRUE(network.ok());
  ASSERT_EQ((*network)->batching().sizes().largest(), 2u);
  const auto good = probes()[0];
  const std::vector<float> shorter(good.begin(), good.end() - 1);
  const std::vector<const std::vector<float>*> both{&good, &shorter};
  EXPECT_EQ((*network)->run(both).status().code(), StatusCode::kInternal);
}

TEST_F(NetworkTest, PlansForOneAndForSeveralHaveTheirWeightsInMemoryOnce) {
  auto graph = read_torch_graph(mixed_module(), kShape);
  ASSERT_TRUE(graph.ok());
  simplify(*graph);
  const Formats formats = choose_formats(*graph, Precision::kFp32, Format::kFloat, {});
  const OneDnnPlan one = plan_graph(*graph, formats, {});
  const OneDnnPlan two = plan_graph(*graph, formats, {2, false, &one});
  ASSERT_EQ(one.constants.size(), two.constants.size());
  ASSERT_FALSE(one.constants.empty());
  std::size_t alike = 0;
  for (std::size_t i = 0; i < one.constants.size(); ++i) {
    // oneDNN may want another layout of a dense layer's weights for more pictures.
    if (one.constants[i].get_desc() != two.constants[i].get_desc()) continue;
    ++alike;
    EXPECT_EQ(one.constants[i].get_data_handle(), two.constants[i].get_data_handle()) << i;
  }
  EXPECT_GT(alike, one.constants.size() / 2);
  EXPECT_EQ(one.choices, two.choices);
}

TEST_F(NetworkTest, TakesBatchesOfTheCompiledFormAlone) {
  const auto file = mixed_module();
  NetworkOptions options;
  options.batch = 2;
  const auto compiled = load_at(file, options);
  ASSERT_TRUE(compiled.ok()) << compiled.status().message();
  ASSERT_EQ(compiled->form, NetworkForm::kCompiled);
  EXPECT_EQ(compiled->network->batching().sizes().largest(), 2u);
  options.batch = 1;
  EXPECT_EQ(load_at(file, options)->network->batching().why_no_more, "not asked for");
  options.batch = 2;
  options.form = NetworkForm::kFrozen;
  const auto frozen = load_at(file, options);
  ASSERT_TRUE(frozen.ok()) << frozen.status().message();
  EXPECT_TRUE(frozen->network->batching().batches.empty());
  EXPECT_THAT(frozen->network->batching().why_no_more, ::testing::HasSubstr("LibTorch"));
  // Which answers several all the same.
  ASSERT_TRUE(compiled->network->prepare_thread().ok());
  const auto inputs = probes();
  const std::vector<const std::vector<float>*> both{&inputs[0], &inputs[1]};
  const auto expected = frozen->network->run_together(both);
  const auto actual = compiled->network->run_together(both);
  ASSERT_TRUE(expected.ok() && actual.ok());
  ASSERT_EQ(actual->size(), 2u);
  for (const std::size_t i : {0u, 1u}) EXPECT_TRUE(same_scores((*expected)[i], (*actual)[i]));
}

TEST_F(NetworkTest, RunsOnManyThreadsAtOnce) {
  const auto loaded = load_at(mixed_module(), {NetworkForm::kCompiled});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const auto inputs = probes();
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
  const auto loaded = load_at(mixed_module(), {NetworkForm::kCompiled});
  EXPECT_FALSE(loaded->network->run(std::vector<float>(7)).ok());
}

TEST_F(NetworkTest, TakesADenseLayerInEitherWayOfWritingIt) {
  const at::Tensor weight = torch::randn({5, 3 * 8 * 8});
  const at::Tensor bias = torch::randn({5});
  const std::string pooled = "  x = torch.flatten(torch.max_pool2d(x, [4, 4]), 1)\n";
  const auto input = probes().front();
  const auto of = [&](const ModuleFile& file, NetworkForm form) {
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
  const auto input = probes().front();
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
  const auto refused = load_at(rows, {NetworkForm::kCompiled});
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
    for (const auto& input : probes()) {
      const auto expected = scores(file, NetworkForm::kAsSaved, Precision::kFp32, {}, input);
      EXPECT_LT(largest_difference(
                    expected, scores(file, NetworkForm::kCompiled, Precision::kFp32, {}, input)),
                1e-4F)
          << activation;
    }
  }
}

// A softmax that is sure of one class says nothing of the others but in its logarithms.
TEST(SameScores, LooksBehindASureSoftmax) {
  const std::vector<float> sure{1.0F, 2e-12F, 3e-9F};
  EXPECT_TRUE(same_scores(sure, {1.0F, 2.01e-12F, 3e-9F}));
  EXPECT_FALSE(same_scores(sure, {1.0F, 2.2e-12F, 3e-9F}));
  EXPECT_FALSE(same_scores(sure, {1.0F, 3e-9F, 2e-12F}));
  EXPECT_TRUE(same_scores({1.0F, 0.0F}, {1.0F, 1e-35F}));  // too small to be told apart
  // No probabilities: a score near 0 is held against the largest alone.
  EXPECT_TRUE(same_scores({8.0F, 2e-12F}, {8.001F, -3e-9F}));
  EXPECT_FALSE(same_scores({8.0F, 1.0F}, {8.0F, 1.01F}));
  EXPECT_FALSE(same_scores({8.0F, 1.0F}, {8.0F, NAN}));
  EXPECT_FALSE(same_scores({0.5F, 0.5F}, {INFINITY, 0.5F}));
}

// What an operation in place changes is changed under every name.
TEST_F(NetworkTest, SeesAChangeInPlaceThroughAFlattenedTensor) {
  for (const std::string change : {"relu_(x)", "silu_(x)"}) {
    const auto file = module(
        "  x = torch.conv2d(x, self.a)\n"
        "  z = torch.flatten(x, 1)\n"
        "  y = torch." +
            change +
            "\n"
            "  return torch.linear(z, self.head)\n",
        {{"a", torch::randn({4, 3, 1, 1}) / 100}, {"head", torch::randn({5, 4 * 32 * 32})}});
    const auto expected =
        scores(file, NetworkForm::kAsSaved, Precision::kFp32, {}, probes().front());
    const auto compiled =
        scores(file, NetworkForm::kCompiled, Precision::kFp32, {}, probes().front());
    EXPECT_TRUE(same_scores(expected, compiled)) << change;
  }
}

TEST_F(NetworkTest, AModuleMayChangeWhatItIsGiven) {
  const auto file =
      module("  return torch.mean(x.sub_(1).div_(2), [2, 3])[:, [0, 1, 2, 0, 1]]\n", {});
  const auto loaded = load_at(file, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->form, NetworkForm::kOptimized);
  const std::vector<float> ones(kShape.input_values(), 1.0F);
  for (int i = 0; i < 2; ++i) EXPECT_THAT(loaded->network->run(ones).value(), Each(FloatEq(0)));
  EXPECT_THAT(ones, Each(1.0F));
}

// What torch.jit.script leaves of torch.nn.functional: sizes, and choices by them.
TEST_F(NetworkTest, CompilesWhatAScriptComputesOfSizes) {
  const auto file = module(
      "  x = torch.conv2d(x, self.a)\n"
      "  size = x.size()\n"
      "  assert len(size) > 3 and size[2] // 2 == 16\n"
      "  if size[1] == 4:\n"
      "    y = torch.relu(x)\n"
      "  else:\n"
      "    y = x\n"
      "  if y.size(-1) == 7:\n"
      "    y = torch.silu(y)\n"
      "  y = torch.adaptive_avg_pool2d(y, [size[2] // 4, 4])\n"
      "  return torch.linear(y.view(y.size(0), -1), self.head)\n",
      {{"a", torch::randn({4, 3, 1, 1}) / 100}, {"head", torch::randn({5, 4 * 8 * 4})}});
  const auto expected = scores(file, NetworkForm::kAsSaved, Precision::kFp32, {}, probes().front());
  const auto compiled =
      scores(file, NetworkForm::kCompiled, Precision::kFp32, {}, probes().front());
  EXPECT_TRUE(same_scores(expected, compiled));
}

TEST_F(NetworkTest, NamesWhatAGraphCannotHold) {
  const auto refusal = [&](const std::string& body) {
    const auto file = module(body, {{"head", torch::randn({5, 3})}});
    return load_at(file, {NetworkForm::kCompiled}).status().message();
  };
  const std::string end = "  return torch.linear(torch.mean(x, [2, 3]), self.head)\n";
  EXPECT_THAT(refusal("  x = x * 2\n" + end), HasSubstr("mul of a constant"));
  EXPECT_THAT(refusal("  x = x + 1\n" + end), HasSubstr("add of a constant"));
  EXPECT_THAT(refusal("  x = torch.adaptive_avg_pool2d(x, [5, 5])\n" + end), HasSubstr("divide"));
  EXPECT_THAT(refusal("  x = x.view(1, 3, 32, 32)\n" + end), HasSubstr("a flatten of other"));
}

// Bytes want no special CPU to be right, only to be quick.
TEST_F(NetworkTest, AChannelOfNextToNoWeightsKeepsItsBiasInBytes) {
  for (const float size : {0.0F, 1e-20F, 1e-36F, 1e-44F}) {
    at::Tensor weights = torch::rand({16, 16, 1, 1}) / 16;
    weights[3] *= 0;
    weights[3] += size;
    const auto file = module(
        "  x = torch.relu(torch.conv2d(x, self.a))\n"
        "  x = torch.relu(torch.conv2d(x, self.b, self.bias))\n"
        "  x = torch.relu(torch.conv2d(x, self.c))\n"
        "  return torch.mean(x, [2, 3])\n",
        {{"a", torch::rand({16, 3, 1, 1}) / 100},
         {"b", weights},
         {"bias", torch::full({16}, 0.5F)},
         {"c", torch::rand({5, 16, 1, 1})}});
    auto graph = read_torch_graph(file, kShape);
    ASSERT_TRUE(graph.ok()) << graph.status().message();
    simplify(*graph);
    const Formats formats =
        choose_formats(*graph, Precision::kInt8, Format::kFloat, calibrated(file));
    EXPECT_EQ(byte_convolutions(formats), 2U);  // the first one reads the picture
    const auto network = CompiledNetwork::compile(*graph, formats, {});
    ASSERT_TRUE(network.ok()) << network.status().message();
    const auto expected =
        scores(file, NetworkForm::kAsSaved, Precision::kFp32, {}, probes().front());
    const auto bytes = (*network)->run(probes().front()).value();
    EXPECT_LT(largest_difference(expected, bytes),
              0.03F * *std::max_element(expected.begin(), expected.end()))
        << size;
  }
}

TEST_F(NetworkTest, ThereIsNoInt8WhereEverythingIsNegativeAtTimes) {
  const auto file = module(
      "  x = torch.silu(torch.conv2d(x, self.a))\n"
      "  x = torch.silu(torch.conv2d(x, self.b))\n"
      "  return torch.softmax(torch.mean(x, [2, 3]), 1)\n",
      {{"a", torch::randn({16, 3, 1, 1}) / 100}, {"b", torch::randn({5, 16, 1, 1})}});
  const auto calibration = Calibration::begin(file, kShape);
  ASSERT_TRUE(calibration.ok()) << calibration.status().message();
  ASSERT_TRUE((*calibration)->observe(probes().front()).ok());
  EXPECT_FALSE((*calibration)->ranges().empty());  // the scores have one
  EXPECT_EQ((*calibration)->coverage().bytes, 0U);
  EXPECT_EQ((*calibration)->coverage().all, 2U);
  if (!detect_cpu_arithmetic().int8) return;
  EXPECT_THAT(load_at(file, {{}, Precision::kInt8, (*calibration)->ranges()}).status().message(),
              HasSubstr("negative at times"));
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
  const auto input = probes().front();
  const auto expected = scores(file, NetworkForm::kAsSaved, Precision::kFp32, {}, input);
  EXPECT_TRUE(
      same_scores(expected, scores(file, NetworkForm::kCompiled, Precision::kFp32, {}, input)));
}

}  // namespace
}  // namespace imgrec::worker
