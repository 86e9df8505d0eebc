#include "worker/inference/onednn_plan.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "worker/inference/kernel_ways.h"
#include "worker/inference/onednn_convolution.h"
#include "worker/inference/step_ways.h"

namespace imgrec::worker {
namespace {

using dnnl::memory;
using dnnl::primitive_attr;
using Tag = memory::format_tag;
using Type = memory::data_type;
using Dims = memory::dims;

Type type_of(Format format) {
  switch (format) {
    case Format::kFloat:
      return Type::f32;
    case Format::kReduced:
      return Type::bf16;
    case Format::kByte:
      return Type::u8;
  }
  return Type::f32;
}

bool same_values(const memory& a, const memory& b) {
  const memory::desc desc = a.get_desc();
  return desc == b.get_desc() &&
         std::memcmp(a.get_data_handle(), b.get_data_handle(), desc.get_size()) == 0;
}

// When each buffer lives, and where, so that few bytes are enough for all.
void lay_out(OneDnnPlan& plan, bool keep_tensors) {
  const std::size_t last = plan.steps.size() - 1;
  std::vector<BufferLife> lives(plan.buffers.size());
  std::vector<bool> seen(plan.buffers.size(), false);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    for (const PlanArgument& argument : plan.steps[i].arguments) {
      if (argument.constant) continue;
      BufferLife& life = lives[argument.index];
      if (!seen[argument.index]) life.first_step = i;
      seen[argument.index] = true;
      life.last_step = keep_tensors ? last : i;
    }
  }
  for (std::size_t i = 0; i < lives.size(); ++i) {
    if (seen[i]) lives[i].bytes = plan.buffers[i].desc.get_size();
  }
  lives[plan.input].first_step = 0;
  lives[plan.output].last_step = last;
  plan.lives = lives;
  if (!plan.input_in_arena) lives[plan.input].bytes = 0;
  plan.arena = plan_arena(lives);
}

class Planner {
 public:
  Planner(const Graph& graph, const Formats& formats, const PlanOptions& options)
      : graph_(graph),
        formats_(formats),
        options_(options),
        engine_(options.like != nullptr ? options.like->engine
                                        : dnnl::engine(dnnl::engine::kind::cpu, 0)),
        chooser_(engine_),
        stream_(engine_) {
    plan_.engine = engine_;
    plan_.kernels =
        options.like != nullptr ? options.like->kernels : std::make_shared<WinogradKernels>();
  }

  OneDnnPlan plan() {
    plan_.input = add_buffer({dims(graph_.shape(graph_.input)), Type::f32, Tag::nchw}, graph_.input,
                             Format::kFloat);
    reorder(plan_.input, buffer(graph_.input, own_format(graph_.input)), 1);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      at_ = std::string(kind_name(node.kind)) + " " + graph_.tensors[node.output].name;
      byte_node_ = formats_.bytes[i];
      try {
        std::visit([&](const auto& kind) { add(node, kind); }, node.kind);
      } catch (const dnnl::error& error) {
        throw dnnl::error(error.status, (at_ + ": " + error.what()).c_str());
      }
    }
    plan_.output = readable(graph_.output, Format::kFloat);
    lay_out(plan_, options_.keep_tensors);
    return std::move(plan_);
  }

 private:
  static constexpr std::size_t kNone = SIZE_MAX;

  Dims dims(const Shape& shape) const {
    return {static_cast<std::int64_t>(options_.batch), shape.channels, shape.height, shape.width};
  }

  Format own_format(TensorId tensor) const { return formats_.tensors[tensor].format; }
  float scale(TensorId tensor) const { return formats_.tensors[tensor].scale; }

  memory::desc desc(TensorId tensor, Format format) const {
    return {dims(graph_.shape(tensor)), type_of(format), Tag::nhwc};
  }

  std::size_t add_buffer(const memory::desc& desc, TensorId tensor, Format format) {
    plan_.buffers.push_back({desc, tensor, format});
    return plan_.buffers.size() - 1;
  }

  // The buffer of a tensor in a format, new where there is none.
  std::size_t buffer(TensorId tensor, Format format) {
    const auto [place, is_new] = buffers_.try_emplace({tensor, format}, kNone);
    if (is_new) place->second = add_buffer(desc(tensor, format), tensor, format);
    return place->second;
  }

  // The same, for reading: converted where the tensor was written in another format.
  std::size_t readable(TensorId tensor, Format format) {
    if (const auto found = buffers_.find({tensor, format}); found != buffers_.end()) {
      return found->second;
    }
    const Format own = own_format(tensor);
    const std::size_t from = buffer(tensor, own);
    const std::size_t to = buffer(tensor, format);
    float factor = 1;
    if (own == Format::kByte) factor *= scale(tensor);
    if (format == Format::kByte) factor /= scale(tensor);
    reorder(from, to, factor);
    return to;
  }

  void reorder(std::size_t from, std::size_t to, float factor) {
    primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (factor != 1) attributes.set_output_scales(0, {factor});
    const dnnl::reorder::primitive_desc pd(engine_, plan_.buffers[from].desc, engine_,
                                           plan_.buffers[to].desc, attributes);
    step(way_of<dnnl::reorder>(pd), {{DNNL_ARG_FROM, false, from}, {DNNL_ARG_TO, false, to}});
  }

  // REQUIRES: at_ says for what.
  void step(Way way, std::vector<PlanArgument> arguments) {
    if (is_reference(way)) {
      throw std::runtime_error(at_ + ": oneDNN has only its reference code for this");
    }
    for (auto& [role, constant] : way.constants) {
      arguments.push_back({role, true, keep(std::move(constant))});
    }
    plan_.scratch_bytes = std::max(plan_.scratch_bytes, way.scratch.get_size());
    plan_.steps.push_back(
        {std::move(way.run), std::move(arguments), way.scratch, at_ + ", " + way.how});
  }

  Way fastest(std::vector<Way> ways, const memory::desc& source, const memory::desc& target,
              WayChooser::Caches caches) {
    const std::size_t number = plan_.choices.size();
    const bool known = options_.like != nullptr && number < options_.like->choices.size();
    const std::size_t choice =
        known ? options_.like->choices[number] : chooser_.choose(ways, source, target, caches);
    if (choice >= ways.size()) throw std::runtime_error(at_ + ": not to be had for other batches");
    plan_.choices.push_back(choice);
    return std::move(ways[choice]);
  }

  // oneDNN's way or ours, if there is one.
  void fastest_step(Way onednn, std::optional<Way> own, std::size_t source, std::size_t target) {
    std::vector<Way> ways{std::move(onednn)};
    if (own) ways.push_back(std::move(*own));
    step(fastest(std::move(ways), plan_.buffers[source].desc, plan_.buffers[target].desc,
                 WayChooser::Caches::kWarm),
         {{DNNL_ARG_SRC, false, source}, {DNNL_ARG_DST, false, target}});
  }

  std::size_t add_constant(const void* values, const memory::desc& from, const memory::desc& to) {
    memory source(from, engine_, const_cast<void*>(values));
    memory own(to, engine_);
    dnnl::reorder(source, own).execute(stream_, source, own);
    stream_.wait();
    return keep(std::move(own));
  }

  // What floats would be computed in: a node of bytes elsewhere is of the usual format here.
  Format compute_format(const Node& node) const {
    return byte_node_ ? Format::kByte : float_format(own_format(node.output));
  }
  Format float_format(Format format) const {
    return format == Format::kByte ? own_format(graph_.input) : format;
  }

  void add(const Node& node, const Convolution& kind) {
    const Format in = compute_format(node);
    const Format out = own_format(node.output);
    if (!byte_node_ && out == Format::kByte) {
      throw std::runtime_error(at_ + ": floats cannot become bytes in a convolution");
    }
    const TensorId input = node.inputs[0];
    ConvolutionFormats formats{desc(input, in), desc(node.output, out), byte_node_};
    if (byte_node_) formats.source_scale = scale(input);
    if (out == Format::kByte) formats.target_scale = scale(node.output);
    std::vector<Way> ways = convolution_ways(engine_, kind, graph_.shape(input).channels, formats);
    if (auto own = winograd_way(engine_, *plan_.kernels, kind, formats.source, formats.target)) {
      ways.push_back(std::move(*own));
    }
    Way way = fastest(std::move(ways), formats.source, formats.target, WayChooser::Caches::kCold);
    const std::size_t source = laid_out(input, in, way.source);
    const bool as_usual = way.target == formats.target;
    const std::size_t target =
        as_usual ? buffer(node.output, out) : add_buffer(way.target, node.output, out);
    step(std::move(way), {{DNNL_ARG_SRC, false, source}, {DNNL_ARG_DST, false, target}});
    if (!as_usual) reorder(target, buffer(node.output, out), 1);
  }

  // A tensor for reading in a layout of the reader's own.
  std::size_t laid_out(TensorId tensor, Format format, const memory::desc& desc) {
    const std::size_t usual = readable(tensor, format);
    if (plan_.buffers[usual].desc == desc) return usual;
    const std::size_t own = add_buffer(desc, tensor, format);
    reorder(usual, own, 1);
    return own;
  }

  // Constants come in the same order in every plan of a graph.
  std::size_t keep(memory constant) {
    const std::size_t number = plan_.constants.size();
    const bool shared = options_.like != nullptr && number < options_.like->constants.size() &&
                        same_values(constant, options_.like->constants[number]);
    plan_.constants.push_back(shared ? options_.like->constants[number] : std::move(constant));
    return plan_.constants.size() - 1;
  }

  std::size_t add_bias(const std::vector<float>& bias) {
    const memory::desc desc({static_cast<std::int64_t>(bias.size())}, Type::f32, Tag::x);
    return add_constant(bias.data(), desc, desc);
  }

  void add(const Node& node, const Dense& kind) {
    const Shape& in = graph_.shape(node.inputs[0]);
    const std::size_t source = readable(node.inputs[0], Format::kFloat);
    const std::size_t target = buffer(node.output, Format::kFloat);
    const Dims shape{kind.outputs, in.channels, in.height, in.width};
    const dnnl::inner_product_forward::desc what(
        dnnl::prop_kind::forward_inference, plan_.buffers[source].desc,
        {shape, Type::f32, Tag::any}, {{kind.outputs}, Type::f32, Tag::x},
        memory::desc({static_cast<std::int64_t>(options_.batch), kind.outputs}, Type::f32,
                     Tag::nc));
    const dnnl::inner_product_forward::primitive_desc pd(what, plan_attributes(kind.activation),
                                                         engine_);
    // batch x outputs x 1 x 1, channels last, is the same memory as batch x outputs.
    plan_.buffers[target].desc = pd.dst_desc().reshape(dims(graph_.shape(node.output)));
    const std::size_t weights =
        add_constant(kind.weights->data(), {shape, Type::f32, Tag::oihw}, pd.weights_desc());
    step(way_of<dnnl::inner_product_forward>(pd), {{DNNL_ARG_SRC, false, source},
                                                   {DNNL_ARG_WEIGHTS, true, weights},
                                                   {DNNL_ARG_BIAS, true, add_bias(*kind.bias)},
                                                   {DNNL_ARG_DST, false, target}});
  }

  void add(const Node& node, const Pooling& kind) {
    const Window& w = kind.window;
    const bool average = kind.method != Pooling::Method::kMax;
    const Format format = own_format(node.output);
    const std::size_t source = readable(node.inputs[0], format);
    const std::size_t target = buffer(node.output, format);
    const auto how = !average ? dnnl::algorithm::pooling_max
                     : kind.method == Pooling::Method::kAverage
                         ? dnnl::algorithm::pooling_avg_exclude_padding
                         : dnnl::algorithm::pooling_avg_include_padding;
    const dnnl::pooling_forward::desc what(dnnl::prop_kind::forward_inference, how,
                                           plan_.buffers[source].desc, plan_.buffers[target].desc,
                                           {w.stride_h, w.stride_w}, {w.kernel_h, w.kernel_w},
                                           {w.top, w.left}, {w.bottom, w.right});
    const dnnl::pooling_forward::primitive_desc pd(what, plan_attributes(Activation::kNone),
                                                   engine_);
    fastest_step(way_of<dnnl::pooling_forward>(pd),
                 max_pooling_way(kind, pd.src_desc(), pd.dst_desc()), source, target);
  }

  void add(const Node& node, const LocalNormalisation& kind) {
    const Format format = own_format(node.output);
    const std::size_t source = readable(node.inputs[0], format);
    const std::size_t target = buffer(node.output, format);
    const dnnl::lrn_forward::desc what(
        dnnl::prop_kind::forward_inference, dnnl::algorithm::lrn_across_channels,
        plan_.buffers[source].desc, kind.size, kind.alpha, kind.beta, kind.k);
    const dnnl::lrn_forward::primitive_desc pd(what, plan_attributes(Activation::kNone), engine_);
    fastest_step(way_of<dnnl::lrn_forward>(pd),
                 local_normalisation_way(kind, pd.src_desc(), pd.dst_desc()), source, target);
  }

  void add(const Node& node, const Activate& kind) {
    const Elementwise own = elementwise_of(kind.activation);
    elementwise(node, own.how, own.alpha, own.beta);
  }
  void add(const Node& node, const Power& kind) {
    elementwise(node, dnnl::algorithm::eltwise_pow, 1, kind.exponent);
  }

  void elementwise(const Node& node, dnnl::algorithm how, float alpha, float beta) {
    const Format format = own_format(node.output);
    const std::size_t source = readable(node.inputs[0], format);
    const std::size_t target = buffer(node.output, format);
    const dnnl::eltwise_forward::desc what(dnnl::prop_kind::forward_inference, how,
                                           plan_.buffers[source].desc, alpha, beta);
    const dnnl::eltwise_forward::primitive_desc pd(what, plan_attributes(Activation::kNone),
                                                   engine_);
    step(way_of<dnnl::eltwise_forward>(pd),
         {{DNNL_ARG_SRC, false, source}, {DNNL_ARG_DST, false, target}});
  }

  void add(const Node& node, const Add& kind) {
    binary(node, dnnl::algorithm::binary_add, kind.activation);
  }
  void add(const Node& node, const Multiply&) {
    binary(node, dnnl::algorithm::binary_mul, Activation::kNone);
  }

  void binary(const Node& node, dnnl::algorithm how, Activation activation) {
    const Format format = own_format(node.output);
    const std::size_t a = readable(node.inputs[0], format);
    const std::size_t b = readable(node.inputs[1], format);
    const std::size_t target = buffer(node.output, format);
    const dnnl::binary::desc what(how, plan_.buffers[a].desc, plan_.buffers[b].desc,
                                  plan_.buffers[target].desc);
    const dnnl::binary::primitive_desc pd(what, plan_attributes(activation), engine_);
    step(way_of<dnnl::binary>(pd),
         {{DNNL_ARG_SRC_0, false, a}, {DNNL_ARG_SRC_1, false, b}, {DNNL_ARG_DST, false, target}});
  }

  // One copy for each input, into its channels of the output.
  void add(const Node& node, const Concatenate&) {
    const Format format = own_format(node.output);
    const std::size_t target = buffer(node.output, format);
    std::vector<memory::desc> sources;
    std::vector<PlanArgument> arguments;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const std::size_t source = readable(node.inputs[i], format);
      sources.push_back(plan_.buffers[source].desc);
      arguments.push_back({DNNL_ARG_MULTIPLE_SRC + static_cast<int>(i), false, source});
    }
    arguments.push_back({DNNL_ARG_DST, false, target});
    const dnnl::concat::primitive_desc pd(plan_.buffers[target].desc, 1, sources, engine_,
                                          plan_attributes(Activation::kNone));
    at_ = "concatenation " + graph_.tensors[node.output].name;
    step(way_of<dnnl::concat>(pd), std::move(arguments));
  }

  void add(const Node& node, const Softmax&) {
    const std::size_t source = readable(node.inputs[0], Format::kFloat);
    const std::size_t target = buffer(node.output, Format::kFloat);
    const dnnl::softmax_forward::desc what(dnnl::prop_kind::forward_inference,
                                           plan_.buffers[source].desc, 1);
    const dnnl::softmax_forward::primitive_desc pd(what, plan_attributes(Activation::kNone),
                                                   engine_);
    step(way_of<dnnl::softmax_forward>(pd),
         {{DNNL_ARG_SRC, false, source}, {DNNL_ARG_DST, false, target}});
  }

  const Graph& graph_;
  const Formats& formats_;
  const PlanOptions options_;
  const dnnl::engine engine_;
  WayChooser chooser_;
  dnnl::stream stream_;
  OneDnnPlan plan_;
  std::map<std::pair<TensorId, Format>, std::size_t> buffers_;
  std::string at_;          // the node being planned, for messages
  bool byte_node_ = false;  // it counts in bytes
};

}  // namespace

OneDnnPlan plan_graph(const Graph& graph, const Formats& formats, const PlanOptions& options) {
  return Planner(graph, formats, options).plan();
}

OneDnnPlan from_cut(OneDnnPlan plan, const CutPoint& cut) {
  plan.steps.erase(plan.steps.begin(), plan.steps.begin() + static_cast<std::ptrdiff_t>(cut.step));
  plan.input = cut.buffer;
  plan.input_in_arena = true;
  std::vector<bool> needed(plan.constants.size(), false);
  plan.scratch_bytes = 0;
  for (const PlanStep& step : plan.steps) {
    plan.scratch_bytes = std::max(plan.scratch_bytes, step.scratch.get_size());
    for (const PlanArgument& argument : step.arguments) {
      if (argument.constant) needed[argument.index] = true;
    }
  }
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) plan.constants[i] = memory();
  }
  lay_out(plan, false);
  return plan;
}

}  // namespace imgrec::worker
