#include "worker/graph/formats.h"

#include <gtest/gtest.h>

#include "tests/unit/worker_graph/graph_builder.h"

namespace imgrec::worker {
namespace {

using testing::constant;
using testing::GraphBuilder;

class FormatsTest : public ::testing::Test {
 protected:
  Format of(const Formats& formats, TensorId tensor) { return formats.tensors[tensor].format; }

  // A stem of floats, then a block of two branches that are joined, then a classifier.
  FormatsTest() {
    stem = build.convolution(0, 8, "stem");
    pooled = build.add(Pooling{}, {stem}, "pooled");
    left = build.convolution(pooled, 4, "left");
    right = build.convolution(pooled, 6, "right");
    joined = build.add(Concatenate{}, {left, right}, "joined");
    after = build.convolution(joined, 4, "after");
    Dense dense;
    dense.outputs = 3;
    dense.weights = constant(3 * 4 * 4, 1);
    dense.bias = constant(3, 0);
    scores = build.add(dense, {after}, "scores");
    build.add(Softmax{}, {scores}, "probabilities");
  }

  GraphBuilder build{{3, 2, 2}};
  TensorId stem, pooled, left, right, joined, after, scores;
  const Ranges ranges{{"stem", 10.0F},  {"pooled", 10.0F},      {"left", 2.0F},
                      {"right", 5.1F},  {"joined", 5.1F},       {"after", 7.0F},
                      {"scores", 1.0F}, {"probabilities", 1.0F}};
};

TEST_F(FormatsTest, Fp32IsFloatsEverywhere) {
  const Formats formats = choose_formats(build.graph, Precision::kFp32, Format::kReduced, ranges);
  for (const TensorFormat& tensor : formats.tensors) EXPECT_EQ(tensor.format, Format::kFloat);
  EXPECT_EQ(formats.bytes, std::vector<bool>(build.graph.nodes.size(), false));
}

TEST_F(FormatsTest, Bf16KeepsTheScoresInFloats) {
  const Formats formats = choose_formats(build.graph, Precision::kBf16, Format::kReduced, ranges);
  EXPECT_EQ(of(formats, stem), Format::kReduced);
  EXPECT_EQ(of(formats, joined), Format::kReduced);
  EXPECT_EQ(of(formats, scores), Format::kFloat);
  EXPECT_EQ(of(formats, build.graph.output), Format::kFloat);
}

TEST_F(FormatsTest, Int8CountsInBytesFromTheFirstKnownRangeOn) {
  const Formats formats = choose_formats(build.graph, Precision::kInt8, Format::kReduced, ranges);
  EXPECT_EQ(of(formats, 0), Format::kReduced) << "the input is negative at times";
  EXPECT_FALSE(formats.bytes[0]) << "so the stem counts in floats";
  EXPECT_EQ(of(formats, stem), Format::kReduced) << "and writes what it counts in";
  EXPECT_EQ(of(formats, pooled), Format::kByte);
  EXPECT_TRUE(formats.bytes[2]);
  EXPECT_TRUE(formats.bytes[3]);
  EXPECT_EQ(of(formats, left), Format::kByte);
  EXPECT_TRUE(formats.bytes[5]);
  EXPECT_EQ(of(formats, after), Format::kReduced) << "a dense layer reads floats";
  EXPECT_EQ(of(formats, scores), Format::kFloat);
}

TEST_F(FormatsTest, JoinedTensorsShareTheScaleOfTheLargest) {
  const Formats formats = choose_formats(build.graph, Precision::kInt8, Format::kReduced, ranges);
  EXPECT_FLOAT_EQ(formats.tensors[left].scale, 5.1F / 255);
  EXPECT_FLOAT_EQ(formats.tensors[right].scale, 5.1F / 255);
  EXPECT_FLOAT_EQ(formats.tensors[joined].scale, 5.1F / 255);
  EXPECT_FLOAT_EQ(formats.tensors[pooled].scale, 10.0F / 255);
}

TEST_F(FormatsTest, WithoutRangesInt8IsTheReducedFormat) {
  const Formats formats = choose_formats(build.graph, Precision::kInt8, Format::kReduced, {});
  EXPECT_EQ(formats.bytes, std::vector<bool>(build.graph.nodes.size(), false));
  EXPECT_EQ(of(formats, joined), Format::kReduced);
}

TEST_F(FormatsTest, AHoleInTheRangesIsAHoleInTheBytes) {
  Ranges some = ranges;
  some.erase("right");
  const Formats formats = choose_formats(build.graph, Precision::kInt8, Format::kFloat, some);
  EXPECT_EQ(of(formats, right), Format::kFloat);
  EXPECT_EQ(of(formats, joined), Format::kFloat);
  EXPECT_EQ(of(formats, left), Format::kFloat) << "its only reader wants floats";
  EXPECT_TRUE(formats.bytes[2]) << "it still counts in bytes";
}

TEST(Precision, ReadsItsOwnNames) {
  for (const Precision p : {Precision::kFp32, Precision::kBf16, Precision::kInt8}) {
    EXPECT_EQ(parse_precision(to_string(p)), p);
  }
  EXPECT_EQ(parse_precision("fp16"), std::nullopt);
  EXPECT_EQ(parse_precision(""), std::nullopt);
}

}  // namespace
}  // namespace imgrec::worker
