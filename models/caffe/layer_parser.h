// One Caffe layer at a time: its parameters, the shape it makes, its weights.
//
// Thread rule: pure functions.
// Owns: nothing.
#pragma once

#include <vector>

#include "models/caffe/caffe.pb.h"
#include "models/caffe/caffe_network.h"
#include "proto/status.h"

namespace imgrec::models {

// The parameters of a layer that reads blobs of these shapes; weights are not filled in. Messages
// continue the sentence `layer "x" (Type) …`. kUnsupported: a type or a variant that we do not
// have.
Result<LayerKind> parse_layer(const caffe_format::LayerParameter& layer,
                              const std::vector<Shape>& bottoms);

// The shape that an Input layer declares, less the batch.
Result<Shape> input_shape(const caffe_format::LayerParameter& layer);

// REQUIRES: kind came from parse_layer with the same bottoms, and is no Input.
Result<Shape> output_shape(const LayerKind& kind, const std::vector<Shape>& bottoms);

bool needs_weights(const LayerKind& kind);

// Copies the blobs of a caffemodel's layer into `layer`, checking number, shapes and values.
// REQUIRES: needs_weights(layer.kind).
Status read_weights(const caffe_format::LayerParameter& source, Layer& layer);

}  // namespace imgrec::models
