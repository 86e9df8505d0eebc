#include "worker/inference/kernel_ways.h"

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/inference/onednn_convolution.h"
#include "worker/inference/thread_time.h"

namespace imgrec::worker {
namespace {

using dnnl::memory;
using Values = std::vector<float>;

memory::desc pictures(const memory::dims& dims) {
  return {dims, memory::data_type::f32, memory::format_tag::nhwc};
}

std::size_t floats(const memory::desc& desc) { return desc.get_size() / sizeof(float); }

// Our ways against oneDNN's, whichever is faster here.
class KernelWaysTest : public testing::Test {
 protected:
  Values random(std::size_t count) {
    Values values(count);
    for (float& value : values) value = static_cast<float>(random_() % 2001) / 1000 - 1;
    return values;
  }

  Values run(const Way& way, Values source) {
    Values target(floats(way.target), std::nanf(""));
    StepArguments arguments{{DNNL_ARG_SRC, memory(way.source, engine_, source.data())},
                            {DNNL_ARG_DST, memory(way.target, engine_, target.data())}};
    arguments.insert(way.constants.begin(), way.constants.end());
    if (way.scratch.get_size() > 0) {
      arguments.emplace(DNNL_ARG_SCRATCHPAD, memory(way.scratch, engine_));
    }
    dnnl::stream stream(engine_);
    way.run(stream, arguments);
    stream.wait();
    return target;
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  WinogradKernels known_;
  std::mt19937 random_{8};
};

TEST_F(KernelWaysTest, ConvolutionsAreOneDnns) {
  const Window windows[] = {{3, 3, 1, 1, 1, 1, 1, 1},
                            {5, 5, 1, 1, 2, 2, 2, 2},
                            {3, 3, 1, 1, 0, 2, 1, 0},
                            {5, 5, 1, 1, 3, 0, 0, 1}};
  for (const Window& window : windows) {
    for (const Activation activation :
         {Activation::kNone, Activation::kRelu, Activation::kRelu6, Activation::kSilu}) {
      const Shape shape = window_output({16, 9, 14}, window, 24);
      const auto source = pictures({2, 16, 9, 14});
      const auto target = pictures({2, 24, shape.height, shape.width});
      Values weights =
          random(static_cast<std::size_t>(24 * 16 * window.kernel_h * window.kernel_w));
      const Convolution convolution{window,
                                    24,
                                    1,
                                    std::make_shared<const Values>(std::move(weights)),
                                    std::make_shared<const Values>(random(24)),
                                    activation};
      const auto own = winograd_way(engine_, known_, convolution, source, target);
      ASSERT_TRUE(own);
      const Way direct = convolution_ways(engine_, convolution, 16, {source, target}).front();
      const Values values = random(floats(source));
      EXPECT_THAT(run(*own, values),
                  testing::Pointwise(testing::FloatNear(1e-4F), run(direct, values)))
          << window.kernel_h << "x" << window.kernel_w << ", " << static_cast<int>(activation);
    }
  }
}

TEST_F(KernelWaysTest, LeavesOtherConvolutionsToOneDnn) {
  const auto fits = [&](Window window, std::int64_t groups, std::int64_t outputs,
                        memory::data_type type) {
    const Shape shape = window_output({16, 12, 12}, window, outputs);
    const memory::desc source({1, 16, 12, 12}, type, memory::format_tag::nhwc);
    const memory::desc target({1, outputs, shape.height, shape.width}, type,
                              memory::format_tag::nhwc);
    const auto count =
        static_cast<std::size_t>(outputs * 16 / groups * window.kernel_h * window.kernel_w);
    const Convolution convolution{window,
                                  outputs,
                                  groups,
                                  std::make_shared<const Values>(count),
                                  std::make_shared<const Values>(outputs),
                                  Activation::kNone};
    return winograd_way(engine_, known_, convolution, source, target).has_value();
  };
  constexpr auto kFloats = memory::data_type::f32;
  const Window usual{3, 3, 1, 1, 1, 1, 1, 1};
  EXPECT_TRUE(fits(usual, 1, 8, kFloats));
  EXPECT_FALSE(fits(usual, 2, 8, kFloats)) << "groups";
  EXPECT_FALSE(fits(usual, 1, 12, kFloats)) << "outputs";
  EXPECT_FALSE(fits(usual, 1, 8, memory::data_type::bf16));
  EXPECT_FALSE(fits({3, 5, 1, 1, 1, 1, 1, 1}, 1, 8, kFloats)) << "not square";
  EXPECT_FALSE(fits({3, 3, 2, 1, 1, 1, 1, 1}, 1, 8, kFloats)) << "steps of two down";
  EXPECT_FALSE(fits({3, 3, 1, 2, 1, 1, 1, 1}, 1, 8, kFloats)) << "steps of two along";
  EXPECT_FALSE(fits({3, 3, 1, 1, 1, 1, 1, 1, 2, 1}, 1, 8, kFloats)) << "dilated";
  EXPECT_FALSE(fits({1, 1}, 1, 8, kFloats)) << "1x1";
}

TEST_F(KernelWaysTest, PoolingIsOneDnns) {
  const Window windows[] = {{3, 3, 2, 2, 0, 0, 1, 1},
                            {3, 3, 1, 1, 1, 1, 1, 1},
                            {2, 3, 1, 2, 1, 0, 0, 1},
                            {4, 2, 3, 1, 2, 1, 1, 0}};
  for (const Window& window : windows) {
    const Shape shape = window_output({12, 9, 14}, window, 12);
    const auto source = pictures({2, 12, 9, 14});
    const auto target = pictures({2, 12, shape.height, shape.width});
    const auto own = max_pooling_way({Pooling::Method::kMax, window}, source, target);
    ASSERT_TRUE(own);
    const Way onednn = way_of<dnnl::pooling_forward>({{dnnl::prop_kind::forward_inference,
                                                       dnnl::algorithm::pooling_max,
                                                       source,
                                                       target,
                                                       {window.stride_h, window.stride_w},
                                                       {window.kernel_h, window.kernel_w},
                                                       {window.top, window.left},
                                                       {window.bottom, window.right}},
                                                      plan_attributes(Activation::kNone),
                                                      engine_});
    const Values values = random(floats(source));
    EXPECT_EQ(run(*own, values), run(onednn, values)) << window.kernel_h << "x" << window.kernel_w;
    EXPECT_FALSE(max_pooling_way({Pooling::Method::kAverage, window}, source, target));
  }
}

// So that a network for one picture and for several has its planes in memory once.
TEST_F(KernelWaysTest, KernelsPlanesAreSharedAsLongAsSomebodyUsesThem) {
  Convolution convolution;
  convolution.outputs = 8;
  convolution.weights = std::make_shared<const Values>(random(8 * 8 * 9));
  convolution.bias = std::make_shared<const Values>(random(8));
  const WinogradKernels::Kernel::Shape shape{.height = 6,
                                             .width = 6,
                                             .channels = 8,
                                             .top = 1,
                                             .left = 1,
                                             .bottom = 1,
                                             .right = 1,
                                             .kernel = 3,
                                             .outputs = 8};
  auto first = known_.of(convolution, shape);
  EXPECT_EQ(known_.of(convolution, shape), first);
  auto bounded = shape;
  bounded.least = 0;
  EXPECT_NE(known_.of(convolution, bounded), first) << "it gives other results";
  auto wider = shape;
  wider.width = 7;
  EXPECT_NE(known_.of(convolution, wider), first);
  Convolution other = convolution;
  other.weights = std::make_shared<const Values>(*convolution.weights);
  EXPECT_NE(known_.of(other, shape), first);
  const std::weak_ptr<const WinogradKernels::Kernel> watched = first;
  first.reset();
  EXPECT_TRUE(watched.expired()) << "nobody uses them";
}

TEST_F(KernelWaysTest, LocalNormalisationIsOneDnns) {
  const auto desc = pictures({2, 24, 5, 6});
  for (const std::int64_t size : {3, 5}) {
    LocalNormalisation normalisation{size, 3, 0.75F, 1.5F};
    const auto own = local_normalisation_way(normalisation, desc, desc);
    ASSERT_TRUE(own);
    const Way onednn = way_of<dnnl::lrn_forward>(
        {{dnnl::prop_kind::forward_inference, dnnl::algorithm::lrn_across_channels, desc, size, 3,
          0.75F, 1.5F},
         plan_attributes(Activation::kNone),
         engine_});
    const Values values = random(floats(desc));
    EXPECT_THAT(run(*own, values),
                testing::Pointwise(testing::FloatNear(1e-5F), run(onednn, values)));
    normalisation.beta = 0.5F;
    EXPECT_FALSE(local_normalisation_way(normalisation, desc, desc)) << "another power";
  }
}

// What is clearly slower is not taken, wherever it stands; a reference way is not even run.
TEST_F(KernelWaysTest, TakesTheFastestWay) {
  const auto desc = pictures({1, 8, 4, 4});
  const auto way = [&](const char* how, int milliseconds) {
    Way made;
    made.run = [milliseconds](const dnnl::stream&, const StepArguments&) {
      const double end = thread_seconds() + milliseconds / 1000.0;  // what it computes is measured
      while (thread_seconds() < end) continue;
    };
    made.source = made.target = desc;
    made.how = how;
    return made;
  };
  Way reference = way("ref:any", 0);
  reference.run = [](const dnnl::stream&, const StepArguments&) { FAIL() << "it was run"; };
  WayChooser chooser(engine_);
  const auto chosen = [&](const std::vector<Way>& ways) {
    return ways.at(chooser.choose(ways, desc, desc, WayChooser::Caches::kCold)).how;
  };
  EXPECT_EQ(chosen({way("slow", 60), way("fast", 5)}), "fast");
  EXPECT_EQ(chosen({way("fast", 5), way("slow", 60)}), "fast");
  EXPECT_EQ(chosen({reference, way("slow", 5)}), "slow");
  EXPECT_EQ(chosen({way("slow", 60), reference, way("fast", 5)}), "fast");
  EXPECT_EQ(chosen({reference}), "ref:any");
}

}  // namespace
}  // namespace imgrec::worker
