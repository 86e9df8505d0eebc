// Every layer type, against OpenCV's DNN module on the same files.
#include "models/caffe/torchscript_writer.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include <gtest/gtest.h>
#include <opencv2/dnn.hpp>

#include "models/caffe/caffe_network.h"
#include "tests/unit/models/tiny_caffe.h"
#include "worker/inference/network.h"

namespace imgrec::models {
namespace {

using testing::CaffeFiles;
using testing::TemporaryDirectory;
using testing::TinyCaffe;
using worker::NetworkForm;

constexpr unsigned kHeight = 21;
constexpr unsigned kWidth = 34;
constexpr unsigned kClasses = 7;

const std::string kInput =
    "layer { name: 'data' type: 'Input' top: 'data'\n"
    "        input_param { shape { dim: 10 dim: 3 dim: 21 dim: 34 } } }\n";

std::vector<float> noise(float low, float high) {
  std::vector<float> values(3 * kHeight * kWidth);
  cv::RNG random(7);
  for (float& value : values) value = random.uniform(low, high);
  return values;
}

std::vector<float> opencv_scores(const CaffeFiles& files, std::vector<float> input) {
  cv::dnn::Net net = cv::dnn::readNetFromCaffe(files.prototxt.string(), files.caffemodel.string());
  net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
  const int sizes[] = {1, 3, int(kHeight), int(kWidth)};
  net.setInput(cv::Mat(4, sizes, CV_32F, input.data()));
  const cv::Mat output = net.forward().reshape(1, 1);
  return {output.begin<float>(), output.end<float>()};
}

// The largest difference of a score between OpenCV and the written module in every form, relative
// to the largest score.
float difference_from_opencv(const CaffeFiles& files, const std::filesystem::path& directory,
                             bool compiles) {
  const Result<Network> network = read_network(files.prototxt, files.caffemodel);
  if (!network) throw std::runtime_error(network.status().message());
  const Status written = write_torchscript(*network, directory / "model.pt");
  if (!written.ok()) throw std::runtime_error(written.message());
  const std::vector<float> input = noise(-100, 100);
  const std::vector<float> expected = opencv_scores(files, input);
  float difference = 0;
  for (const NetworkForm form :
       {NetworkForm::kAsSaved, NetworkForm::kOptimized, NetworkForm::kCompiled}) {
    const auto loaded =
        worker::load_network(worker::read_module_file(directory / "model.pt").value(),
                             {kWidth, kHeight, kClasses}, {input}, {form});
    if (form == NetworkForm::kCompiled && !compiles) {
      EXPECT_EQ(loaded.status().code(), StatusCode::kUnsupported);
      continue;
    }
    if (!loaded) throw std::runtime_error(loaded.status().message());
    const Result<std::vector<float>> scores = loaded->network->run(input);
    if (!scores) throw std::runtime_error(scores.status().message());
    if (scores->size() != expected.size()) throw std::runtime_error("another number of scores");
    float largest = 0;
    for (const float score : expected) largest = std::max(largest, std::abs(score));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const float d = std::abs((*scores)[i] - expected[i]) / largest;
      if (!(d <= difference)) difference = d;
    }
  }
  return difference;
}

struct Case {
  std::string name;
  std::string layer;                 // reads "data", writes "out"
  std::vector<std::string> weights;  // of the layer
  std::string out;                   // the shape of "out", which the definition must give
  bool compiles = true;              // false: a graph has no node for it; LibTorch runs it
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class EveryLayer : public ::testing::TestWithParam<Case> {};

TEST_P(EveryLayer, GivesWhatOpenCvGives) {
  const Case& c = GetParam();
  const std::string tail =
      "layer { name: 'scores' type: 'InnerProduct' bottom: 'out' top: 'scores'\n"
      "        inner_product_param { num_output: 7 } }\n";
  std::int64_t features = 1;
  std::stringstream dims(c.out);
  for (std::string dim; std::getline(dims, dim, 'x');) features *= std::stoll(dim);
  TinyCaffe net(kInput + "layer { name: 'tested' bottom: 'data' top: 'out' " + c.layer + " }\n" +
                tail);
  if (!c.weights.empty()) net.with_weights("tested", c.weights);
  net.with_weights("scores", {"7x" + std::to_string(features), "7"});

  const TemporaryDirectory directory;
  const CaffeFiles files = net.write(directory.path());
  const Result<Network> network = read_network(files.prototxt, files.caffemodel);
  ASSERT_TRUE(network.ok()) << network.status().message();
  EXPECT_EQ(to_string(network->layers[1].top_shape), c.out);
  EXPECT_FALSE(network->output_is_probabilities);
  EXPECT_LT(difference_from_opencv(files, directory.path(), c.compiles), 2e-5F);
}

INSTANTIATE_TEST_SUITE_P(
    TorchscriptWriter, EveryLayer,
    ::testing::Values(
        Case{"Convolution",
             "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 3 }",
             {"4x3x3x3", "4"},
             "4x19x32"},
        Case{"ConvolutionWithStrideAndPad",
             "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 7 stride: 2 pad: "
             "3 }",
             {"4x3x7x7", "4"},
             "4x11x17"},
        Case{"ConvolutionWithoutBias",
             "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 3 bias_term: "
             "false }",
             {"4x3x3x3"},
             "4x19x32"},
        Case{"ConvolutionInGroups",
             "type: 'Convolution' convolution_param { num_output: 6 kernel_size: 3 group: 3 }",
             {"6x1x3x3", "6"},
             "6x19x32"},
        Case{"ConvolutionWithDilation",
             "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 3 dilation: 2 "
             "pad: 1 }",
             {"4x3x3x3", "4"},
             "4x19x32"},
        Case{"ConvolutionOfUnequalSides",
             "type: 'Convolution' convolution_param { num_output: 4 kernel_h: 3 kernel_w: 5 "
             "stride_h: "
             "2 stride_w: 1 pad_h: 0 pad_w: 2 }",
             {"4x3x3x5", "4"},
             "4x10x34"},
        Case{"Relu", "type: 'ReLU'", {}, "3x21x34"},
        Case{"LeakyRelu", "type: 'ReLU' relu_param { negative_slope: 0.1 }", {}, "3x21x34", false},
        // 21 rows: floor would give 10, Caffe rounds up. 34 columns: 16.5 becomes 17.
        Case{"MaxPoolRoundsUp",
             "type: 'Pooling' pooling_param { pool: MAX kernel_size: 2 stride: 2 }",
             {},
             "3x11x17"},
        Case{"MaxPoolWithPad",
             "type: 'Pooling' pooling_param { pool: MAX kernel_size: 3 stride: 1 pad: 1 }",
             {},
             "3x21x34"},
        // (21 + 2 - 2) / 4 rounds up to 6 steps; the seventh window would start at 24 > 21 + 1.
        Case{"MaxPoolDropsWindowOutside",
             "type: 'Pooling' pooling_param { pool: MAX kernel_size: 2 stride: 4 pad: 1 }",
             {},
             "3x6x9"},
        Case{"AveragePoolRoundsUp",
             "type: 'Pooling' pooling_param { pool: AVE kernel_size: 4 stride: 3 }",
             {},
             "3x7x11"},
        Case{"AveragePoolCountsPad",
             "type: 'Pooling' pooling_param { pool: AVE kernel_size: 3 stride: 1 pad: 1 }",
             {},
             "3x21x34"},
        Case{"AveragePoolWithPadRoundsUp",
             "type: 'Pooling' pooling_param { pool: AVE kernel_size: 4 stride: 3 pad: 1 }",
             {},
             "3x8x12",
             false},
        Case{"AveragePoolOfUnequalSides",
             "type: 'Pooling' pooling_param { pool: AVE kernel_h: 3 kernel_w: 5 stride_h: 2 "
             "stride_w: "
             "3 pad_h: 1 pad_w: 2 }",
             {},
             "3x11x12"},
        Case{"GlobalAveragePool",
             "type: 'Pooling' pooling_param { pool: AVE global_pooling: true }",
             {},
             "3x1x1"},
        Case{"Lrn", "type: 'LRN' lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 }", {}, "3x21x34"},
        Case{"LrnOfOtherPower",
             "type: 'LRN' lrn_param { local_size: 3 alpha: 0.5 beta: 0.6 }",
             {},
             "3x21x34"},
        Case{"LrnWiderThanItsChannels",
             "type: 'LRN' lrn_param { local_size: 5 alpha: 0.0001 }",
             {},
             "3x21x34"},
        Case{"Dropout", "type: 'Dropout' dropout_param { dropout_ratio: 0.4 }", {}, "3x21x34"},
        Case{"Concat", "type: 'Concat' bottom: 'data'", {}, "6x21x34"},
        Case{"Softmax", "type: 'Softmax'", {}, "3x21x34"},
        Case{"InnerProductWithoutBias",
             "type: 'InnerProduct' inner_product_param { num_output: 9 bias_term: false }",
             {"9x2142"},
             "9"}),
    [](const auto& test) { return test.param.name; });

// A small GoogLeNet: a stem with LRN, an inception block, an in-place ReLU after each convolution.
TinyCaffe small_googlenet() {
  const auto convolution = [](const std::string& name, const std::string& from, int outputs,
                              const std::string& rest) {
    return "layer { name: '" + name + "' type: 'Convolution' bottom: '" + from + "' top: '" + name +
           "' convolution_param { num_output: " + std::to_string(outputs) + " " + rest + " } }\n" +
           "layer { name: 'relu_" + name + "' type: 'ReLU' bottom: '" + name + "' top: '" + name +
           "' }\n";
  };
  const auto layer = [](const std::string& name, const std::string& from, const std::string& rest) {
    return "layer { name: '" + name + "' bottom: '" + from + "' top: '" + name + "' " + rest +
           " }\n";
  };
  std::string text = kInput;
  text += convolution("conv1/7x7_s2", "data", 8, "kernel_size: 7 stride: 2 pad: 3");
  text += layer("pool1", "conv1/7x7_s2",
                "type: 'Pooling' pooling_param { pool: MAX kernel_size: 3 stride: 2 }");
  text +=
      layer("norm1", "pool1", "type: 'LRN' lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }");
  text += convolution("1x1", "norm1", 4, "kernel_size: 1");
  text += convolution("3x3_reduce", "norm1", 3, "kernel_size: 1");
  text += convolution("3x3", "3x3_reduce", 5, "kernel_size: 3 pad: 1");
  text += layer("pool", "norm1",
                "type: 'Pooling' pooling_param { pool: MAX kernel_size: 3 stride: 1 pad: 1 }");
  text += convolution("pool_proj", "pool", 2, "kernel_size: 1");
  text +=
      "layer { name: 'out' type: 'Concat' bottom: '1x1' bottom: '3x3' bottom: 'pool_proj' top: "
      "'out' }\n";
  text +=
      layer("pool5", "out", "type: 'Pooling' pooling_param { pool: AVE kernel_size: 4 stride: 1 }");
  text += "layer { name: 'drop' type: 'Dropout' bottom: 'pool5' top: 'pool5' }\n";
  text +=
      layer("classifier", "pool5", "type: 'InnerProduct' inner_product_param { num_output: 7 }");
  text += layer("prob", "classifier", "type: 'Softmax'");
  TinyCaffe net(text);
  // 21x34 -> 11x17 -> 5x8 -> 2x5
  net.with_old_weights("conv1/7x7_s2", {"8x3x7x7", "8"}).with_old_weights("1x1", {"4x8x1x1", "4"});
  net.with_old_weights("3x3_reduce", {"3x8x1x1", "3"}).with_old_weights("3x3", {"5x3x3x3", "5"});
  net.with_old_weights("pool_proj", {"2x8x1x1", "2"})
      .with_old_weights("classifier", {"7x110", "7"});
  return net;
}

TEST(TorchscriptWriter, SmallGoogLeNetGivesWhatOpenCvGives) {
  const TemporaryDirectory directory;
  const CaffeFiles files = small_googlenet().write(directory.path());
  const Result<Network> network = read_network(files.prototxt, files.caffemodel);
  ASSERT_TRUE(network.ok()) << network.status().message();
  EXPECT_TRUE(network->output_is_probabilities);
  EXPECT_TRUE(network->unused_weights.empty());
  EXPECT_LT(difference_from_opencv(files, directory.path(), true), 2e-5F);
}

TEST(TorchscriptWriter, TheOldLayerFormGivesTheSameModule) {
  const TemporaryDirectory directory;
  const CaffeFiles files = small_googlenet().write_v1(directory.path());
  EXPECT_LT(difference_from_opencv(files, directory.path(), true), 2e-5F);
  const TemporaryDirectory other;
  const CaffeFiles new_files = small_googlenet().write(other.path());
  const Result<Network> from_old = read_network(files.prototxt, files.caffemodel);
  const Result<Network> from_new = read_network(new_files.prototxt, new_files.caffemodel);
  ASSERT_TRUE(from_old.ok() && from_new.ok());
  EXPECT_EQ(torchscript_source(*from_old), torchscript_source(*from_new));
}

TEST(TorchscriptWriter, LeavesOutTheAuxiliaryHeadsOfTraining) {
  const TemporaryDirectory directory;
  TinyCaffe net = small_googlenet();
  net.with_weights("loss1/conv", {"2x8x1x1", "2"}).with_weights("loss1/classifier", {"7x80", "7"});
  for (const bool old : {false, true}) {
    const CaffeFiles files = old ? net.write_v1(directory.path()) : net.write(directory.path());
    const Result<Network> network = read_network(files.prototxt, files.caffemodel);
    ASSERT_TRUE(network.ok()) << network.status().message();
    EXPECT_EQ(network->unused_weights,
              (std::vector<std::string>{"loss1/classifier", "loss1/conv"}));
    EXPECT_LT(difference_from_opencv(files, directory.path(), true), 2e-5F);
  }
}

struct NetworkSize {
  unsigned width, height;
};

// What `layer` makes of `values`: three channels of one value each come out.
std::vector<float> run_layer_on(const std::string& layer, const std::string& input,
                                const std::vector<float>& values, NetworkSize size,
                                NetworkForm form = NetworkForm::kCompiled) {
  const TemporaryDirectory directory;
  TinyCaffe net("layer { name: 'data' type: 'Input' top: 'data' input_param { shape { " + input +
                " } } }\nlayer { name: 'tested' bottom: 'data' top: 'out' " + layer +
                " }\nlayer { name: 'scores' type: 'InnerProduct' bottom: 'out' top: 'scores' "
                "inner_product_param { num_output: 3 bias_term: false } }\n");
  net.with_weights("scores", {"3x3"});
  for (int i = 0; i < 9; ++i)
    net.weights_of("scores")->mutable_blobs(0)->set_data(i, i % 4 == 0 ? 1 : 0);
  const CaffeFiles files = net.write(directory.path());
  const Result<Network> network = read_network(files.prototxt, files.caffemodel);
  if (!network) throw std::runtime_error(network.status().message());
  const Status written = write_torchscript(*network, directory.path() / "model.pt");
  if (!written.ok()) throw std::runtime_error(written.message());
  const auto loaded =
      worker::load_network(worker::read_module_file(directory.path() / "model.pt").value(),
                           {size.width, size.height, 3}, {values}, {form});
  if (!loaded) throw std::runtime_error(loaded.status().message());
  return loaded->network->run(values).value();
}

// OpenCV 4.6 ignores k and does not know round_mode, so these two are computed here.
TEST(TorchscriptWriter, LrnAddsK) {
  const std::vector<float> scores =
      run_layer_on("type: 'LRN' lrn_param { local_size: 3 alpha: 0.6 beta: 0.75 k: 2 }",
                   "dim: 1 dim: 3 dim: 1 dim: 1", {1, 2, 3}, {1, 1});
  const auto expected = [](float x, float sum_of_squares) {
    return x / std::pow(2.0F + 0.2F * sum_of_squares, 0.75F);
  };
  EXPECT_NEAR(scores[0], expected(1, 1 + 4), 1e-6);
  EXPECT_NEAR(scores[1], expected(2, 1 + 4 + 9), 1e-6);
  EXPECT_NEAR(scores[2], expected(3, 4 + 9), 1e-6);
}

TEST(TorchscriptWriter, PoolingRoundsDownWhenTold) {
  // Three columns, windows of two: rounded down there is one window and the third is not seen.
  const std::vector<float> values{1, 2, 9, 3, 4, 9, 6, 5, 9};
  const std::string input = "dim: 1 dim: 3 dim: 1 dim: 3";
  const std::string pool = "type: 'Pooling' pooling_param { kernel_h: 1 kernel_w: 2 stride: 2 ";
  EXPECT_EQ(run_layer_on(pool + "round_mode: FLOOR }", input, values, {3, 1}),
            (std::vector<float>{2, 4, 6}));
}

TEST(TorchscriptWriter, NamesWeightsAfterTheirLayersAndKeepsThemApart) {
  const TemporaryDirectory directory;
  TinyCaffe net(kInput +
                "layer { name: 'a/b' type: 'Convolution' bottom: 'data' top: 'x' "
                "convolution_param { num_output: 1 kernel_size: 1 bias_term: false } }\n"
                "layer { name: 'a.b' type: 'Convolution' bottom: 'x' top: 'y' "
                "convolution_param { num_output: 1 kernel_size: 1 bias_term: false } }\n"
                "layer { name: '3' type: 'InnerProduct' bottom: 'y' top: 'z' "
                "inner_product_param { num_output: 7 bias_term: false } }\n");
  net.with_weights("a/b", {"1x3x1x1"})
      .with_weights("a.b", {"1x1x1x1"})
      .with_weights("3", {"7x714"});
  const CaffeFiles files = net.write(directory.path());
  const Result<Network> network = read_network(files.prototxt, files.caffemodel);
  ASSERT_TRUE(network.ok()) << network.status().message();
  const std::string source = torchscript_source(*network);
  EXPECT_NE(source.find("self.a_b_weight,"), std::string::npos) << source;
  EXPECT_NE(source.find("self.a_b_weight_2,"), std::string::npos) << source;
  EXPECT_NE(source.find("self.layer_3_weight,"), std::string::npos) << source;
  EXPECT_LT(difference_from_opencv(files, directory.path(), true), 2e-5F);
}

TEST(TorchscriptWriter, SaysWhereItCannotWrite) {
  const TemporaryDirectory directory;
  const CaffeFiles files = small_googlenet().write(directory.path());
  const Result<Network> network = read_network(files.prototxt, files.caffemodel);
  ASSERT_TRUE(network.ok());
  const Status status = write_torchscript(*network, directory.path() / "missing" / "model.pt");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("missing/model.pt"), std::string::npos) << status.message();
  const Status full = write_torchscript(*network, "/dev/full");
  EXPECT_NE(full.message().find("No space left"), std::string::npos) << full.message();
}

}  // namespace
}  // namespace imgrec::models
