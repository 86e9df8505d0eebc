#include "models/caffe/caffe_network.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/models/tiny_caffe.h"

namespace imgrec::models {
namespace {

using testing::CaffeFiles;
using ::testing::HasSubstr;
using testing::TemporaryDirectory;
using testing::TinyCaffe;
using testing::write_text;

const std::string kInput =
    "name: 'tiny'\n"
    "layer { name: 'data' type: 'Input' top: 'data'\n"
    "        input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n";
const std::string kConvolution =
    "layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv'\n"
    "        convolution_param { num_output: 4 kernel_size: 8 } }\n";

class CaffeNetwork : public ::testing::Test {
 protected:
  Result<Network> read(const TinyCaffe& net) {
    const CaffeFiles files = net.write(directory_.path());
    return read_network(files.prototxt, files.caffemodel);
  }

  // The message of a network that must not be read.
  std::string complaint(const TinyCaffe& net) {
    const Result<Network> network = read(net);
    return network.ok() ? "it was read" : network.status().message();
  }

  std::string complaint(const std::string& definition) {
    return complaint(TinyCaffe(definition).with_weights("conv", {"4x3x8x8", "4"}));
  }

  TemporaryDirectory directory_;
};

TEST_F(CaffeNetwork, ReadsShapesAndWeights) {
  const Result<Network> network =
      read(TinyCaffe(kInput + kConvolution).with_weights("conv", {"4x3x8x8", "4"}));
  ASSERT_TRUE(network.ok()) << network.status().message();
  EXPECT_EQ(network->name, "tiny");
  EXPECT_EQ(network->input, "data");
  EXPECT_EQ(to_string(network->input_shape), "3x8x8");
  EXPECT_EQ(network->output, "conv");
  EXPECT_EQ(to_string(network->output_shape), "4x1x1");
  const auto& convolution = std::get<Convolution>(network->layers[1].kind);
  EXPECT_EQ(convolution.weights.size(), 4U * 3 * 8 * 8);
  EXPECT_EQ(convolution.bias.size(), 4U);
}

TEST_F(CaffeNetwork, SkipsFieldsItDoesNotKnow) {
  const Result<Network> network = read(
      TinyCaffe("force_backward: true\n" + kInput +
                "layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv'\n"
                "  param { lr_mult: 1 decay_mult: 1 } convolution_param { num_output: 4\n"
                "  kernel_size: 8 weight_filler { type: 'xavier' std: 0.1 } engine: CUDNN } }\n")
          .with_weights("conv", {"4x3x8x8", "4"}));
  EXPECT_TRUE(network.ok()) << network.status().message();
}

TEST_F(CaffeNetwork, LeavesOutLayersThatOnlyTrain) {
  const Result<Network> network =
      read(TinyCaffe(kInput + kConvolution +
                     "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'conv' top: 'loss' "
                     "include { phase: TRAIN } }\n"
                     "layer { name: 'loss2' type: 'SoftmaxWithLoss' bottom: 'conv' top: 'loss2' "
                     "exclude { phase: TEST } }\n")
               .with_weights("conv", {"4x3x8x8", "4"}));
  ASSERT_TRUE(network.ok()) << network.status().message();
  EXPECT_EQ(network->layers.size(), 2U);
}

TEST_F(CaffeNetwork, NamesTheLayerWhoseWeightsAreMissing) {
  const std::string text =
      complaint(TinyCaffe(kInput + kConvolution).with_weights("other", {"4x3x8x8", "4"}));
  EXPECT_THAT(text, HasSubstr("net.caffemodel holds no weights for layer \"conv\" (Convolution)"));
}

TEST_F(CaffeNetwork, NamesWeightsOfAnotherShape) {
  EXPECT_THAT(
      complaint(TinyCaffe(kInput + kConvolution).with_weights("conv", {"4x3x7x8", "4"})),
      HasSubstr("layer \"conv\" (Convolution): its weights are 4x3x7x8, where the definition "
                "needs 4x3x8x8"));
  EXPECT_THAT(complaint(TinyCaffe(kInput + kConvolution).with_weights("conv", {"4x3x8x8", "5"})),
              HasSubstr("its biases are 5, where the definition needs 4"));
  EXPECT_THAT(complaint(TinyCaffe(kInput + kConvolution).with_weights("conv", {"4x3x8x8"})),
              HasSubstr("it has 1 blobs of weights, where the definition needs 2"));
}

TEST_F(CaffeNetwork, RefusesWeightsThatAreFewerThanTheirShapeOrNoNumbers) {
  TinyCaffe net = TinyCaffe(kInput + kConvolution).with_weights("conv", {"4x3x8x8", "4"});
  net.weights_of("conv")->mutable_blobs(0)->mutable_data()->Set(5, std::nanf(""));
  EXPECT_THAT(complaint(net), HasSubstr("its weights hold values that are no numbers"));
  net.weights_of("conv")->mutable_blobs(0)->mutable_data()->RemoveLast();
  EXPECT_THAT(complaint(net), HasSubstr("its weights hold 767 values, not the 768"));
}

TEST_F(CaffeNetwork, NamesUnsupportedTypesAndVariants) {
  const std::string tail = kInput + kConvolution;
  EXPECT_THAT(
      complaint(tail + "layer { name: 'up' type: 'Deconvolution' bottom: 'conv' top: 'up' }"),
      HasSubstr("layer \"up\" (Deconvolution) is of a type that is not supported"));
  EXPECT_THAT(complaint(tail + "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'p' "
                               "pooling_param { pool: STOCHASTIC kernel_size: 2 } }"),
              HasSubstr("layer \"p\" (Pooling) uses stochastic pooling"));
  EXPECT_THAT(complaint(tail + "layer { name: 'n' type: 'LRN' bottom: 'data' top: 'n' "
                               "lrn_param { norm_region: WITHIN_CHANNEL } }"),
              HasSubstr("layer \"n\" (LRN) normalises within channels"));
  EXPECT_THAT(complaint(tail + "layer { name: 'n' type: 'LRN' bottom: 'data' top: 'n' "
                               "lrn_param { local_size: 4 } }"),
              HasSubstr("it must be odd"));
  EXPECT_THAT(complaint(tail + "layer { name: 's' type: 'Softmax' bottom: 'conv' top: 's' "
                               "softmax_param { axis: 2 } }"),
              HasSubstr("has an axis other than 1"));
}

TEST_F(CaffeNetwork, NamesAnOldTypeThatIsUnsupported) {
  EXPECT_THAT(
      complaint("input: 'data' input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n"
                "layers { name: 'e' type: ELTWISE bottom: 'data' bottom: 'data' top: 'e' }"),
      HasSubstr("layer \"e\" (ELTWISE) is of a type that is not supported"));
}

TEST_F(CaffeNetwork, RefusesGeometryThatMakesNoSense) {
  const auto convolution = [&](const std::string& parameters) {
    return complaint(kInput +
                     "layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' "
                     "convolution_param { " +
                     parameters + " } }");
  };
  EXPECT_THAT(convolution("num_output: 4"), HasSubstr("a kernel or a stride of 0"));
  EXPECT_THAT(convolution("num_output: 4 kernel_size: 9"),
              HasSubstr("a window of 9 on a side of 8"));
  EXPECT_THAT(convolution("kernel_size: 3"), HasSubstr("num_output 0"));
  EXPECT_THAT(convolution("num_output: 4 kernel_size: 3 group: 2"), HasSubstr("2 groups"));
  EXPECT_THAT(convolution("num_output: 4 kernel_size: 3 stride: 4000000000"),
              HasSubstr("over 65536"));
  EXPECT_THAT(convolution("num_output: 4 kernel_size: 3 kernel_h: 3"),
              HasSubstr("in a half or twice"));
}

TEST_F(CaffeNetwork, RefusesBlobsThatDoNotFitTogether) {
  EXPECT_THAT(complaint(kInput + "layer { name: 'r' type: 'ReLU' bottom: 'nothing' top: 'r' }"),
              HasSubstr("layer \"r\" (ReLU) reads \"nothing\", which no layer before it writes"));
  EXPECT_THAT(
      complaint(kInput + kConvolution +
                "layer { name: 'c' type: 'Concat' bottom: 'data' bottom: 'conv' top: 'c' }"),
      HasSubstr("joins 3x8x8 and 4x1x1, which differ in more than channels"));
  EXPECT_THAT(
      complaint(kInput + kConvolution + "layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'r' }"),
      HasSubstr("has 2 outputs (conv, r)"));
  EXPECT_THAT(complaint(kInput + "layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'r' }"),
              HasSubstr("output \"r\" is 3x8x8; a classifier gives one score per class"));
}

TEST_F(CaffeNetwork, NeedsOneInputOfFourDimensions) {
  EXPECT_THAT(
      complaint("layer { name: 'd' type: 'Input' top: 'd' input_param { shape { dim: 3 } } }"),
      HasSubstr("needs one shape of four dimensions"));
  EXPECT_THAT(complaint(kInput + "layer { name: 'd' type: 'Input' top: 'd' input_param { shape { "
                                 "dim: 1 dim: 3 dim: 8 dim: 8 } } }"),
              HasSubstr("is a second input"));
  EXPECT_THAT(complaint("layer { name: 'd' type: 'Data' top: 'd' }"), HasSubstr("\"d\" (Data)"));
}

TEST_F(CaffeNetwork, SaysWhichFileIsMissingEmptyOrNoSuchThing) {
  const CaffeFiles good = TinyCaffe(kInput + kConvolution)
                              .with_weights("conv", {"4x3x8x8", "4"})
                              .write(directory_.path());
  const std::filesystem::path file = directory_.path() / "other";
  const auto read_definition = [&] {
    return read_network(file, good.caffemodel).status().message();
  };
  const auto read_weights = [&] { return read_network(good.prototxt, file).status().message(); };

  EXPECT_THAT(read_definition(), HasSubstr("cannot read"));
  EXPECT_THAT(read_weights(), HasSubstr("cannot read"));
  write_text(file, "");
  EXPECT_THAT(read_definition(), HasSubstr("defines no layers"));
  EXPECT_THAT(read_weights(), HasSubstr("holds no layers"));
  write_text(file, "layer { name: 'x'\n  type: }\n");
  EXPECT_THAT(read_definition(), HasSubstr("is no network definition: line 2"));
  EXPECT_THAT(read_weights(), HasSubstr("is no caffemodel, or is cut short"));
}

TEST_F(CaffeNetwork, NoticesACaffemodelCutAnywhere) {
  const CaffeFiles good = TinyCaffe(kInput + kConvolution)
                              .with_weights("conv", {"4x3x8x8", "4"})
                              .write(directory_.path());
  std::string bytes(std::filesystem::file_size(good.caffemodel), '\0');
  std::ifstream(good.caffemodel, std::ios::binary)
      .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const std::filesystem::path cut = directory_.path() / "cut.caffemodel";
  for (std::size_t size = 0; size < bytes.size(); size += 97) {
    write_text(cut, bytes.substr(0, size));
    EXPECT_FALSE(read_network(good.prototxt, cut).ok())
        << size << " of " << bytes.size() << " bytes";
  }
}

}  // namespace
}  // namespace imgrec::models
