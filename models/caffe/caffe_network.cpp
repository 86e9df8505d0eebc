#include "models/caffe/caffe_network.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "models/caffe/caffe_files.h"
#include "models/caffe/layer_parser.h"

namespace imgrec::models {
namespace {

using caffe_format::LayerParameter;
using caffe_format::NetParameter;

// Goes through the layers in order and keeps the shape of every blob written so far.
class NetworkBuilder {
 public:
  NetworkBuilder(std::string prototxt, std::string caffemodel)
      : prototxt_(std::move(prototxt)), caffemodel_(std::move(caffemodel)) {}

  Result<Network> build(const NetParameter& definition, NetParameter& weights) {
    network_.name = definition.name();
    for (LayerParameter& layer : *weights.mutable_layer()) {
      if (layer.blobs_size() > 0) weights_.emplace(layer.name(), &layer);
    }
    if (Status status = add_declared_inputs(definition); !status.ok()) return status;
    for (const LayerParameter& layer : definition.layer()) {
      if (Status status = add_layer(layer); !status.ok()) return status;
    }
    if (Status status = find_output(); !status.ok()) return status;
    for (const auto& [name, layer] : weights_) network_.unused_weights.push_back(name);
    return std::move(network_);
  }

 private:
  // `input: "data"` with input_dim or input_shape: how definitions older than the Input layer
  // declare theirs.
  Status add_declared_inputs(const NetParameter& definition) {
    for (int i = 0; i < definition.input_size(); ++i) {
      caffe_format::BlobShape shape;
      if (i < definition.input_shape_size()) {
        shape = definition.input_shape(i);
      } else if (definition.input_dim_size() >= 4 * (i + 1)) {
        for (int d = 4 * i; d < 4 * (i + 1); ++d) shape.add_dim(definition.input_dim(d));
      }
      LayerParameter layer;
      layer.set_name(definition.input(i));
      layer.set_type("Input");
      layer.add_top(definition.input(i));
      *layer.mutable_input_param()->add_shape() = shape;
      if (Status status = add_layer(layer); !status.ok()) return status;
    }
    return {};
  }

  Status add_layer(const LayerParameter& source) {
    Layer layer;
    layer.name = source.name();
    if (source.top_size() != 1) {
      return error(source, "has " + std::to_string(source.top_size()) +
                               " outputs; layers with one output are supported");
    }
    layer.top = source.top(0);
    for (const std::string& bottom : source.bottom()) {
      const auto found = shapes_.find(bottom);
      if (found == shapes_.end()) {
        return error(source, "reads \"" + bottom + "\", which no layer before it writes");
      }
      layer.bottoms.push_back(bottom);
      layer.bottom_shapes.push_back(found->second);
      unread_.erase(bottom);
    }
    Result<LayerKind> kind = parse_layer(source, layer.bottom_shapes);
    if (!kind) return error(source, kind.status().message(), kind.status().code());
    layer.kind = std::move(*kind);

    if (std::holds_alternative<Input>(layer.kind)) {
      if (Status status = take_input(source, layer); !status.ok()) return status;
    } else {
      Result<Shape> shape = output_shape(layer.kind, layer.bottom_shapes);
      if (!shape) return error(source, shape.status().message());
      layer.top_shape = *shape;
    }
    if (Status status = take_weights(source, layer); !status.ok()) return status;

    shapes_[layer.top] = layer.top_shape;
    unread_.insert(layer.top);
    network_.layers.push_back(std::move(layer));
    return {};
  }

  Status take_input(const LayerParameter& source, Layer& layer) {
    if (!network_.input.empty()) {
      return error(source, "is a second input; networks with one input are supported");
    }
    Result<Shape> shape = input_shape(source);
    if (!shape) return error(source, shape.status().message());
    layer.top_shape = *shape;
    network_.input = layer.top;
    network_.input_shape = layer.top_shape;
    return {};
  }

  Status take_weights(const LayerParameter& source, Layer& layer) {
    if (!needs_weights(layer.kind)) return {};
    const auto found = weights_.find(layer.name);
    if (found == weights_.end()) {
      return Status(StatusCode::kDataLoss, caffemodel_ + " holds no weights for layer \"" +
                                               layer.name + "\" (" + source.type() + ") of " +
                                               prototxt_ +
                                               "; the two files do not belong together");
    }
    const Status status = read_weights(*found->second, layer);
    if (!status.ok()) {
      return Status(status.code(), caffemodel_ + ": layer \"" + layer.name + "\" (" +
                                       source.type() + "): " + status.message());
    }
    found->second->clear_blobs();  // copied; the peak stays near one copy of the weights
    weights_.erase(found);
    return {};
  }

  Status find_output() {
    if (network_.input.empty()) {
      return Status(StatusCode::kInvalidArgument,
                    prototxt_ + " has no input; use the deploy definition, not the training one");
    }
    if (unread_.size() != 1) {
      std::string names;
      for (const std::string& name : unread_) names += (names.empty() ? "" : ", ") + name;
      return Status(StatusCode::kUnsupported,
                    prototxt_ + " has " + std::to_string(unread_.size()) + " outputs (" + names +
                        "); a classifier has one: remove the layers that lead to the others");
    }
    network_.output = *unread_.begin();
    network_.output_shape = shapes_[network_.output];
    const Shape& shape = network_.output_shape;
    if (std::any_of(shape.begin() + 1, shape.end(), [](std::int64_t d) { return d != 1; })) {
      return Status(StatusCode::kUnsupported, prototxt_ + ": output \"" + network_.output +
                                                  "\" is " + to_string(shape) +
                                                  "; a classifier gives one score per class");
    }
    const auto last = std::find_if(network_.layers.rbegin(), network_.layers.rend(),
                                   [&](const Layer& l) { return l.top == network_.output; });
    network_.output_is_probabilities = std::holds_alternative<Softmax>(last->kind);
    return {};
  }

  Status error(const LayerParameter& layer, const std::string& what,
               StatusCode code = StatusCode::kInvalidArgument) const {
    return Status(code,
                  prototxt_ + ": layer \"" + layer.name() + "\" (" + layer.type() + ") " + what);
  }

  std::string prototxt_;
  std::string caffemodel_;
  Network network_;
  std::map<std::string, LayerParameter*> weights_;  // not taken yet
  std::map<std::string, Shape> shapes_;
  std::set<std::string> unread_;
};

}  // namespace

std::string to_string(const Shape& shape) {
  std::string text;
  for (const std::int64_t dim : shape) text += (text.empty() ? "" : "x") + std::to_string(dim);
  return text;
}

Result<Network> read_network(const std::filesystem::path& prototxt,
                             const std::filesystem::path& caffemodel) {
  Result<NetParameter> definition = read_prototxt(prototxt);
  if (!definition) return definition.status();
  Result<NetParameter> weights = read_caffemodel(caffemodel);
  if (!weights) return weights.status();
  return NetworkBuilder(prototxt.string(), caffemodel.string()).build(*definition, *weights);
}

}  // namespace imgrec::models
