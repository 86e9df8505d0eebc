#include "worker/graph/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker_graph/graph_builder.h"

namespace imgrec::worker {
namespace {

using testing::constant;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using ::testing::HasSubstr;

std::string refusal(Graph& graph, NodeKind kind, std::vector<TensorId> inputs) {
  return add_node(graph, std::move(kind), std::move(inputs), "bad").status().message();
}

TEST(Graph, KnowsTheShapeOfEachKindsOutput) {
  GraphBuilder build({3, 20, 30});
  Convolution convolution;
  convolution.window = {.kernel_h = 5,
                        .kernel_w = 3,
                        .stride_h = 2,
                        .stride_w = 1,
                        .top = 2,
                        .left = 1,
                        .bottom = 2,
                        .right = 1,
                        .dilation_h = 1,
                        .dilation_w = 1};
  convolution.outputs = 8;
  convolution.weights = constant(8 * 3 * 5 * 3, 1);
  convolution.bias = constant(8, 0);
  const TensorId a = build.add(convolution, {0});
  EXPECT_EQ(build.graph.shape(a), (Shape{8, 10, 30}));
  const TensorId b = build.add(Concatenate{}, {a, a, a});
  EXPECT_EQ(build.graph.shape(b), (Shape{24, 10, 30}));
  Pooling pooling;
  pooling.window.kernel_h = 10;
  pooling.window.kernel_w = 30;
  const TensorId c = build.add(pooling, {b});
  EXPECT_EQ(build.graph.shape(c), (Shape{24, 1, 1}));
  Dense dense;
  dense.outputs = 7;
  dense.weights = constant(7 * 24, 1);
  dense.bias = constant(7, 0);
  EXPECT_EQ(build.graph.shape(build.add(dense, {c})), (Shape{7, 1, 1}));
  // 2 for each multiplication and addition.
  EXPECT_EQ(operations(build.graph), 2.0 * (8 * 3 * 5 * 3 * 10 * 30 + 7 * 24));
}

TEST(Graph, RefusesWhatDoesNotFitAndSaysBothSizes) {
  GraphBuilder build({3, 20, 30});
  Graph& graph = build.graph;
  Convolution convolution;
  convolution.outputs = 4;
  convolution.weights = constant(4 * 2, 1);
  convolution.bias = constant(4, 0);
  EXPECT_THAT(refusal(graph, convolution, {0}), HasSubstr("needs 12 weights"));
  convolution.weights = constant(4 * 3, 1);
  convolution.bias = nullptr;
  EXPECT_THAT(refusal(graph, convolution, {0}), HasSubstr("convolution: needs"));
  convolution.bias = constant(4, 0);
  convolution.groups = 2;
  EXPECT_THAT(refusal(graph, convolution, {0}), HasSubstr("2 groups over 3x20x30"));
  EXPECT_THAT(refusal(graph, convolution, {0, 0}), HasSubstr("cannot have 2 inputs"));
  Pooling pooling;
  pooling.window.kernel_h = 21;
  EXPECT_THAT(refusal(graph, pooling, {0}), HasSubstr("does not fit into 3x20x30"));
  pooling.window.kernel_h = 2;
  pooling.window.stride_h = 0;
  EXPECT_THAT(refusal(graph, pooling, {0}), HasSubstr("max pooling"));
  const TensorId four = build.convolution(0, 4);
  EXPECT_THAT(refusal(graph, Add{}, {0, four}), HasSubstr("3x20x30 and 4x20x30"));
  EXPECT_THAT(refusal(graph, LocalNormalisation{.size = 4, .alpha = 1, .beta = 1, .k = 1}, {four}),
              HasSubstr("not odd"));
  EXPECT_EQ(graph.nodes.size(), 1U) << "a refused node is not there";
}

TEST(Graph, SaysWhoReadsATensor) {
  GraphBuilder build({4, 2, 2});
  const TensorId a = build.convolution(0, 4);
  build.add(Multiply{}, {a, a});
  build.add(Add{}, {a, 0});
  const auto list = readers(build.graph);
  EXPECT_THAT(list[a], ElementsAre(1U, 2U));
  EXPECT_THAT(list[0], ElementsAre(0U, 2U));
}

}  // namespace
}  // namespace imgrec::worker
