#include "models/caffe/caffe_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/text_format.h>
#include <unistd.h>

namespace imgrec::models {
namespace {

using caffe_format::LayerParameter;
using caffe_format::NetParameter;
using caffe_format::V1LayerParameter;

// The largest public classifiers (VGG) are 0.6 GB; protobuf itself stops at 2 GB.
constexpr std::uintmax_t kMaxCaffemodelBytes = 1U << 30;
constexpr std::uintmax_t kMaxPrototxtBytes = 16U << 20;

Result<std::uintmax_t> size_of(const std::filesystem::path& file, std::uintmax_t limit) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  if (error) {
    return Status(StatusCode::kNotFound, "cannot read " + file.string() + ": " + error.message());
  }
  if (size > limit) {
    return Status(StatusCode::kResourceExhausted, file.string() + " has " + std::to_string(size) +
                                                      " bytes, more than the limit of " +
                                                      std::to_string(limit) +
                                                      "; is it the right file?");
  }
  return size;
}

// Keeps the first error of a text with its place.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    if (text.empty()) {
      text = "line " + std::to_string(line + 1) + ", column " + std::to_string(column + 1) + ": " +
             message;
    }
  }
  void AddWarning(int, google::protobuf::io::ColumnNumber, const std::string&) override {}
  std::string text;
};

// The new form's name of an old type; names that we do not import come out as the old enum's own.
std::string new_type_name(V1LayerParameter::LayerType type) {
  switch (type) {
    case V1LayerParameter::CONCAT:
      return "Concat";
    case V1LayerParameter::CONVOLUTION:
      return "Convolution";
    case V1LayerParameter::DROPOUT:
      return "Dropout";
    case V1LayerParameter::INNER_PRODUCT:
      return "InnerProduct";
    case V1LayerParameter::LRN:
      return "LRN";
    case V1LayerParameter::POOLING:
      return "Pooling";
    case V1LayerParameter::RELU:
      return "ReLU";
    case V1LayerParameter::SOFTMAX:
      return "Softmax";
    default:
      return V1LayerParameter::LayerType_Name(type);
  }
}

LayerParameter upgraded(V1LayerParameter&& old) {
  LayerParameter layer;
  layer.set_name(old.name());
  layer.set_type(new_type_name(old.type()));
  *layer.mutable_bottom() = std::move(*old.mutable_bottom());
  *layer.mutable_top() = std::move(*old.mutable_top());
  *layer.mutable_blobs() = std::move(*old.mutable_blobs());
  *layer.mutable_include() = std::move(*old.mutable_include());
  *layer.mutable_exclude() = std::move(*old.mutable_exclude());
  if (old.has_concat_param()) *layer.mutable_concat_param() = old.concat_param();
  if (old.has_convolution_param()) *layer.mutable_convolution_param() = old.convolution_param();
  if (old.has_inner_product_param()) {
    *layer.mutable_inner_product_param() = old.inner_product_param();
  }
  if (old.has_lrn_param()) *layer.mutable_lrn_param() = old.lrn_param();
  if (old.has_pooling_param()) *layer.mutable_pooling_param() = old.pooling_param();
  if (old.has_relu_param()) *layer.mutable_relu_param() = old.relu_param();
  if (old.has_softmax_param()) *layer.mutable_softmax_param() = old.softmax_param();
  return layer;
}

Status upgrade_layers(NetParameter& net, const std::filesystem::path& file) {
  if (net.layers_size() > 0 && net.layer_size() > 0) {
    return Status(StatusCode::kInvalidArgument,
                  file.string() + " mixes `layer` with the older `layers`; use one of them");
  }
  for (V1LayerParameter& old : *net.mutable_layers()) *net.add_layer() = upgraded(std::move(old));
  net.clear_layers();
  return {};
}

// Caffe's rule: with `include` some rule must match, else no `exclude` rule may.
bool runs_at_inference(const LayerParameter& layer) {
  const auto matches = [](const caffe_format::NetStateRule& rule) {
    return !rule.has_phase() || rule.phase() == caffe_format::TEST;
  };
  if (layer.include_size() > 0) {
    return std::any_of(layer.include().begin(), layer.include().end(), matches);
  }
  return std::none_of(layer.exclude().begin(), layer.exclude().end(), matches);
}

}  // namespace

Result<NetParameter> read_prototxt(const std::filesystem::path& file) {
  const Result<std::uintmax_t> size = size_of(file, kMaxPrototxtBytes);
  if (!size) return size.status();
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) return Status(StatusCode::kNotFound, "cannot read " + file.string());

  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.AllowUnknownField(true);  // fillers, learning rates, other layers' parameters
  parser.SetRecursionLimit(100);
  parser.RecordErrorsTo(&error);
  NetParameter net;
  if (!parser.ParseFromString(text, &net)) {
    return Status(StatusCode::kInvalidArgument,
                  file.string() + " is no network definition: " +
                      (error.text.empty() ? "it does not parse" : error.text));
  }
  if (Status status = upgrade_layers(net, file); !status.ok()) return status;
  if (net.layer_size() == 0) {
    return Status(StatusCode::kInvalidArgument, file.string() + " defines no layers");
  }
  NetParameter kept = net;
  kept.clear_layer();
  for (const LayerParameter& layer : net.layer()) {
    if (runs_at_inference(layer)) *kept.add_layer() = layer;
  }
  return kept;
}

Result<NetParameter> read_caffemodel(const std::filesystem::path& file) {
  const Result<std::uintmax_t> size = size_of(file, kMaxCaffemodelBytes);
  if (!size) return size.status();
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return Status(StatusCode::kNotFound,
                  "cannot read " + file.string() + ": " + std::strerror(errno));
  }
  google::protobuf::io::FileInputStream stream(descriptor);
  stream.SetCloseOnDelete(true);
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(static_cast<int>(kMaxCaffemodelBytes));
  coded.SetRecursionLimit(16);  // the format nests four deep
  NetParameter net;
  if (!net.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage()) {
    return Status(StatusCode::kDataLoss, file.string() + " is no caffemodel, or is cut short (" +
                                             std::to_string(*size) + " bytes); fetch it again");
  }
  if (Status status = upgrade_layers(net, file); !status.ok()) return status;
  if (net.layer_size() == 0) {
    return Status(StatusCode::kInvalidArgument, file.string() + " holds no layers");
  }
  return net;
}

}  // namespace imgrec::models
