#include "worker/graph/passes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker_graph/graph_builder.h"

namespace imgrec::worker {
namespace {

using testing::constant;
using testing::GraphBuilder;
using testing::weights;

constexpr std::int64_t kChannels = 6;

// A 1x1 convolution with `value` in a band of `size` channels.
Convolution band(std::int64_t size, float value, float k) {
  std::vector<float> matrix;
  for (std::int64_t row = 0; row < kChannels; ++row) {
    for (std::int64_t column = 0; column < kChannels; ++column) {
      matrix.push_back(std::abs(row - column) <= size / 2 ? value : 0);
    }
  }
  Convolution node;
  node.outputs = kChannels;
  node.weights = weights(std::move(matrix));
  node.bias = constant(kChannels, k);
  return node;
}

// x * 1 / (sqrt(d) * sqrt(sqrt(d))) with d = sum(x²), as imgrec-model writes it.
TensorId written_normalisation(GraphBuilder& build, TensorId x, const Convolution& sum) {
  const TensorId d = build.add(sum, {build.add(Multiply{}, {x, x})});
  const TensorId root = build.add(Power{0.5F}, {d});
  const TensorId product = build.add(Multiply{}, {root, build.add(Power{0.5F}, {root})});
  return build.add(Multiply{}, {x, build.add(Power{-1}, {product})}, "normalised");
}

TEST(Passes, RecogniseANormalisationAndWhatItWasMadeFrom) {
  GraphBuilder build({kChannels, 4, 4});
  written_normalisation(build, 0, band(3, 0.25F, 2));
  const Simplifications done = simplify(build.graph);
  EXPECT_EQ(done.normalisations, 1U);
  EXPECT_EQ(done.dropped, 6U);
  ASSERT_EQ(build.graph.nodes.size(), 1U);
  const auto& node = std::get<LocalNormalisation>(build.graph.nodes[0].kind);
  EXPECT_EQ(node.size, 3);
  EXPECT_FLOAT_EQ(node.alpha, 0.75F);
  EXPECT_FLOAT_EQ(node.beta, 0.75F);
  EXPECT_FLOAT_EQ(node.k, 2);
  EXPECT_EQ(build.graph.nodes[0].inputs, std::vector<TensorId>{0});
  EXPECT_EQ(build.graph.tensors[build.graph.output].name, "normalised");
}

TEST(Passes, RecogniseOneWrittenWithAPowerAndTheFactorFirst) {
  GraphBuilder build({kChannels, 4, 4});
  const TensorId d = build.add(band(5, 0.1F, 1), {build.add(Power{2}, {0})});
  build.add(Multiply{}, {build.add(Power{-0.4F}, {d}), 0});
  EXPECT_EQ(simplify(build.graph).normalisations, 1U);
  EXPECT_FLOAT_EQ(std::get<LocalNormalisation>(build.graph.nodes[0].kind).beta, 0.4F);
}

TEST(Passes, LeaveAloneWhatOnlyLooksLikeANormalisation) {
  const auto recognised = [](const Convolution& sum, bool of_itself) {
    GraphBuilder build({kChannels, 4, 4});
    const TensorId other = build.convolution(0, kChannels);
    const TensorId d = build.add(sum, {build.add(Multiply{}, {0, 0})});
    build.add(Multiply{}, {of_itself ? 0 : other, build.add(Power{-0.75F}, {d})});
    return recognise_normalisations(build.graph);
  };
  EXPECT_EQ(recognised(band(3, 0.25F, 1), true), 1U);
  EXPECT_EQ(recognised(band(3, 0.25F, 1), false), 0U) << "another tensor's squares";
  Convolution uneven = band(3, 0.25F, 1);
  std::vector<float> matrix = *uneven.weights;
  matrix[7] = 0.5F;
  uneven.weights = weights(matrix);
  EXPECT_EQ(recognised(uneven, true), 0U) << "a band of two values";
  Convolution biases = band(3, 0.25F, 1);
  biases.bias = weights({1, 1, 1, 1, 1, 2});
  EXPECT_EQ(recognised(biases, true), 0U) << "another k for one channel";
  EXPECT_EQ(recognised(band(13, 0.25F, 1), true), 0U) << "a band without an end";
  Convolution active = band(3, 0.25F, 1);
  active.activation = Activation::kRelu;
  EXPECT_EQ(recognised(active, true), 0U) << "a ReLU between";
}

TEST(Passes, FuseAReluIntoTheNodeThatItAloneReads) {
  GraphBuilder build({4, 2, 2});
  const TensorId a = build.convolution(0, 4);
  const TensorId b = build.relu(a, "kept name");
  build.add(Add{}, {b, 0});
  build.relu(build.graph.output, "out");
  EXPECT_EQ(fuse_activations(build.graph), 2U);
  ASSERT_EQ(build.graph.nodes.size(), 2U);
  EXPECT_EQ(std::get<Convolution>(build.graph.nodes[0].kind).activation, Activation::kRelu);
  EXPECT_EQ(build.graph.tensors[build.graph.nodes[0].output].name, "kept name");
  EXPECT_EQ(std::get<Add>(build.graph.nodes[1].kind).activation, Activation::kRelu);
  EXPECT_EQ(build.graph.nodes[1].output, build.graph.output);
}

TEST(Passes, DoNotFuseAReluWhereOthersNeedTheValueBefore) {
  GraphBuilder build({4, 2, 2});
  const TensorId a = build.convolution(0, 4);
  const TensorId b = build.relu(a);
  build.add(Add{}, {a, b});
  EXPECT_EQ(fuse_activations(build.graph), 0U);

  GraphBuilder output({4, 2, 2});
  const TensorId result = output.convolution(0, 4);
  output.relu(result);
  output.graph.output = result;
  EXPECT_EQ(fuse_activations(output.graph), 0U);

  GraphBuilder pooled({4, 2, 2});
  pooled.relu(pooled.add(Pooling{}, {0}));
  EXPECT_EQ(fuse_activations(pooled.graph), 0U) << "pooling has no activation of its own";
}

TEST(Passes, DropWhatDoesNotLeadToTheOutput) {
  GraphBuilder build({4, 2, 2});
  const TensorId a = build.convolution(0, 4);
  build.convolution(build.convolution(0, 8), 2);
  build.graph.output = a;
  EXPECT_EQ(drop_unread(build.graph), 2U);
  EXPECT_EQ(build.graph.nodes.size(), 1U);
}

}  // namespace
}  // namespace imgrec::worker
