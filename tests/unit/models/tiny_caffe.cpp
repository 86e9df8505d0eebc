#include "tests/unit/models/tiny_caffe.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <google/protobuf/text_format.h>
#include <stdlib.h>

namespace imgrec::models::testing {

using caffe_format::BlobProto;
using caffe_format::LayerParameter;
using caffe_format::NetParameter;
using caffe_format::V1LayerParameter;

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = std::filesystem::temp_directory_path() / "imgrec-test-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  if (!stream.flush()) throw std::runtime_error("cannot write " + file.string());
}

namespace {

std::vector<std::int64_t> parse_shape(const std::string& text) {
  std::vector<std::int64_t> shape;
  std::istringstream stream(text);
  for (std::string dim; std::getline(stream, dim, 'x');) shape.push_back(std::stoll(dim));
  return shape;
}

// Uniform with the variance that keeps activations near one, as trainers initialise.
void fill(BlobProto& blob, const std::vector<std::int64_t>& shape, std::uint32_t& state) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) count *= dim;
  const float reach =
      std::sqrt(6.0F / static_cast<float>(std::max<std::int64_t>(1, count / shape[0])));
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    blob.add_data(reach * (static_cast<float>(state >> 8) / 8388608.0F - 1.0F));
  }
}

V1LayerParameter::LayerType old_type(const std::string& type) {
  if (type == "Concat") return V1LayerParameter::CONCAT;
  if (type == "Convolution") return V1LayerParameter::CONVOLUTION;
  if (type == "Dropout") return V1LayerParameter::DROPOUT;
  if (type == "InnerProduct") return V1LayerParameter::INNER_PRODUCT;
  if (type == "LRN") return V1LayerParameter::LRN;
  if (type == "Pooling") return V1LayerParameter::POOLING;
  if (type == "ReLU") return V1LayerParameter::RELU;
  if (type == "Softmax") return V1LayerParameter::SOFTMAX;
  throw std::runtime_error("no old type for " + type);
}

void to_v1(const LayerParameter& layer, V1LayerParameter& old) {
  old.set_name(layer.name());
  old.set_type(old_type(layer.type()));
  *old.mutable_bottom() = layer.bottom();
  *old.mutable_top() = layer.top();
  *old.mutable_blobs() = layer.blobs();
  if (layer.has_concat_param()) *old.mutable_concat_param() = layer.concat_param();
  if (layer.has_convolution_param()) *old.mutable_convolution_param() = layer.convolution_param();
  if (layer.has_inner_product_param()) {
    *old.mutable_inner_product_param() = layer.inner_product_param();
  }
  if (layer.has_lrn_param()) *old.mutable_lrn_param() = layer.lrn_param();
  if (layer.has_pooling_param()) *old.mutable_pooling_param() = layer.pooling_param();
  if (layer.has_relu_param()) *old.mutable_relu_param() = layer.relu_param();
}

CaffeFiles write_files(const std::filesystem::path& directory, const std::string& definition,
                       const NetParameter& weights) {
  const CaffeFiles files{directory / "net.prototxt", directory / "net.caffemodel"};
  write_text(files.prototxt, definition);
  write_text(files.caffemodel, weights.SerializeAsString());
  return files;
}

}  // namespace

TinyCaffe::TinyCaffe(const std::string& definition) : definition_(definition) {
  weights_.set_name("tiny");
}

TinyCaffe& TinyCaffe::with_weights(const std::string& layer,
                                   const std::vector<std::string>& shapes) {
  LayerParameter* weights = weights_.add_layer();
  weights->set_name(layer);
  weights->set_type(parse_shape(shapes.at(0)).size() == 4 ? "Convolution" : "InnerProduct");
  for (const std::string& text : shapes) {
    BlobProto* blob = weights->add_blobs();
    for (const std::int64_t dim : parse_shape(text)) blob->mutable_shape()->add_dim(dim);
    fill(*blob, parse_shape(text), state_);
  }
  return *this;
}

TinyCaffe& TinyCaffe::with_old_weights(const std::string& layer,
                                       const std::vector<std::string>& shapes) {
  with_weights(layer, shapes);
  for (BlobProto& blob : *weights_.mutable_layer()->rbegin()->mutable_blobs()) {
    std::vector<std::int64_t> dims(blob.shape().dim().begin(), blob.shape().dim().end());
    dims.insert(dims.begin(), 4 - dims.size(), 1);
    blob.clear_shape();
    blob.set_num(static_cast<int>(dims[0]));
    blob.set_channels(static_cast<int>(dims[1]));
    blob.set_height(static_cast<int>(dims[2]));
    blob.set_width(static_cast<int>(dims[3]));
  }
  return *this;
}

LayerParameter* TinyCaffe::weights_of(const std::string& layer) {
  for (LayerParameter& weights : *weights_.mutable_layer()) {
    if (weights.name() == layer) return &weights;
  }
  throw std::runtime_error("no weights of " + layer);
}

CaffeFiles TinyCaffe::write(const std::filesystem::path& directory) const {
  return write_files(directory, definition_, weights_);
}

CaffeFiles TinyCaffe::write_v1(const std::filesystem::path& directory) const {
  NetParameter definition;
  if (!google::protobuf::TextFormat::ParseFromString(definition_, &definition)) {
    throw std::runtime_error("the test's definition does not parse");
  }
  NetParameter old;
  for (const LayerParameter& layer : definition.layer()) {
    if (layer.type() != "Input") {
      to_v1(layer, *old.add_layers());
      continue;
    }
    old.add_input(layer.top(0));
    for (const std::int64_t dim : layer.input_param().shape(0).dim()) {
      old.add_input_dim(static_cast<int>(dim));
    }
  }
  std::string text;
  google::protobuf::TextFormat::PrintToString(old, &text);

  NetParameter old_weights;
  for (const LayerParameter& layer : weights_.layer()) to_v1(layer, *old_weights.add_layers());
  return write_files(directory, text, old_weights);
}

}  // namespace imgrec::models::testing
