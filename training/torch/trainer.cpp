#include "training/torch/trainer.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <ATen/autocast_mode.h>
#include <torch/script.h>
#include <torch/torch.h>

#include "training/core/batches.h"
#include "training/core/provenance.h"
#include "training/core/schedule.h"
#include "training/torch/checkpoint.h"
#include "training/torch/committee.h"
#include "training/torch/files.h"
#include "training/torch/inception_net.h"
#include "training/torch/module_source.h"
#include "training/torch/whitening.h"

namespace imgrec::training {
namespace {

constexpr std::size_t kEvaluationBatch = 250;
constexpr auto kLayout = at::MemoryFormat::ChannelsLast;  // twice as fast here as the other

torch::Tensor batch_tensor(std::size_t count, unsigned size) {
  const auto side = static_cast<std::int64_t>(size);
  return torch::empty({static_cast<std::int64_t>(count), 3, side, side});
}

void use_fast_layout(torch::nn::Module& net) {
  for (torch::Tensor& each : net.parameters()) {
    if (each.dim() == 4) each.set_data(each.contiguous(kLayout));
  }
}

// Offsets are learned faster by this factor (Jordan 2024), and shrink as fast as the rest.
constexpr double kOffsetHaste = 64;

std::vector<torch::optim::OptimizerParamGroup> groups_of(torch::nn::Module& net,
                                                         const TrainerOptions& options) {
  std::vector<torch::Tensor> kernels;
  std::vector<torch::Tensor> offsets;
  for (torch::Tensor& each : net.parameters()) {
    if (each.requires_grad()) (each.dim() > 1 ? kernels : offsets).push_back(each);
  }
  const auto group = [&](std::vector<torch::Tensor> parameters, double factor) {
    return torch::optim::OptimizerParamGroup(std::move(parameters),
                                             std::make_unique<torch::optim::SGDOptions>(
                                                 torch::optim::SGDOptions(options.rate * factor)
                                                     .momentum(options.momentum)
                                                     .nesterov(true)
                                                     .weight_decay(options.weight_decay / factor)));
  };
  return {group(std::move(kernels), 1), group(std::move(offsets), kOffsetHaste)};
}

// While it lives, convolutions and matrix products of this thread are made in bfloat16, of operands
// that are cast on the way; the rest follows its operands.
class Bf16Products {
 public:
  Bf16Products() {
    at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
    at::autocast::set_cpu_enabled(true);
  }
  ~Bf16Products() {
    at::autocast::clear_cache();  // the cast weights, which the next step changes
    at::autocast::set_cpu_enabled(false);
  }
  Bf16Products(const Bf16Products&) = delete;
  Bf16Products& operator=(const Bf16Products&) = delete;
};

template <class Run>
Answers answers_of(const Photos& photos, const std::vector<std::size_t>& members,
                   const Normalisation& how, Run run) {
  Answers answers;
  answers.classes = photos.classes.size();
  answers.logits.reserve(members.size() * answers.classes);
  const torch::NoGradGuard no_grad;
  for (std::size_t begin = 0; begin < members.size(); begin += kEvaluationBatch) {
    const std::size_t end = std::min(members.size(), begin + kEvaluationBatch);
    torch::Tensor batch = batch_tensor(end - begin, photos.size);
    for (std::size_t i = begin; i < end; ++i) {
      normalise(photos.picture(members[i]), photos.size, how,
                batch.data_ptr<float>() + (i - begin) * photos.bytes_each());
      answers.labels.push_back(photos.labels[members[i]]);
    }
    const torch::Tensor rows = run(batch.contiguous(kLayout)).to(torch::kCPU).contiguous();
    answers.logits.insert(answers.logits.end(), rows.data_ptr<float>(),
                          rows.data_ptr<float>() + rows.numel());
  }
  return answers;
}

std::string words_of(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  return torch_error ? torch_error->what_without_backtrace() : error.what();
}

Status failed(const std::string& what, const std::exception& error) {
  return {StatusCode::kInternal, what + ": " + words_of(error)};
}

// `why`: what is wrong with this checkpoint, and what to do.
Status refused(const std::filesystem::path& file, const std::string& why) {
  return {StatusCode::kFailedPrecondition, "the checkpoint " + file.string() + " " + why};
}

Status damaged(const std::filesystem::path& file, const std::exception& error,
               const std::string& remedy) {
  const Status status = failed("cannot read the checkpoint " + file.string(), error);
  return {StatusCode::kDataLoss, status.message() + "; " + remedy};
}

constexpr const char* kNotSaid =
    "does not say what it was trained on; it is of an earlier version, or none";

}  // namespace

class Trainer::Impl {
 public:
  Impl(TrainerOptions options, const Photos& photos, std::vector<std::size_t> members,
       std::string digest)
      : options_(options),
        photos_(photos),
        members_(std::move(members)),
        digest_(std::move(digest)),
        device_(options.device) {
    at::set_num_threads(static_cast<int>(options_.threads));
    torch::manual_seed(options_.seed);
    const NetShape shape =
        NetShape::of_width(options_.width, static_cast<std::int64_t>(photos.classes.size()));
    net_ = InceptionNet(shape);
    slow_ = InceptionNet(shape);
    {
      const torch::NoGradGuard no_grad;
      net_->stem->conv->weight.copy_(
          whitening_filters(photos, members_, options_.normalisation, shape.stem));
    }
    settle();
    go_to(*slow_, *net_, 0);
    optimiser_.emplace(groups_of(*net_, options_), torch::optim::SGDOptions(options_.rate));
    batches_ = {members_.size(), options_.batch};
    schedule_.peak = options_.rate;
    schedule_.steps = batches_.steps() * options_.epochs;
    schedule_.warm_up =
        static_cast<std::uint64_t>(options_.warm_up * static_cast<double>(schedule_.steps));
    // A short training has its fifty meetings too.
    look_ahead_ = std::clamp<std::uint64_t>(schedule_.steps / 50, 1, options_.look_ahead);
  }

  // REQUIRES: an epoch is left.
  void run_epoch(const std::function<void(const Progress&)>& tell) {
    Random random(options_.seed * 1'000'003 + epoch_);
    std::vector<std::size_t> order = members_;
    random.shuffle(order);
    net_->train();
    double loss = 0;
    const std::size_t steps = batches_.steps();
    for (std::size_t step = 0; step < steps; ++step) {
      const std::uint64_t number = epoch_ * steps + step;
      const double rate = schedule_.rate(number);
      loss += train_batch(order, step, rate, random);
      if ((number + 1) % look_ahead_ == 0 || number + 1 == schedule_.steps) meet(number + 1);
      tell({number + 1, schedule_.steps, loss / static_cast<double>(step + 1), rate});
    }
    ++epoch_;
  }

  Answers evaluate(const Photos& photos, const std::vector<std::size_t>& members) {
    Committee alone(options_.mirror);
    alone.add(slow_);
    return ask(alone, photos, members);
  }

  Answers evaluate_module(const Photos& photos, const std::vector<std::size_t>& members) {
    Committee all = committee();
    return ask(all, photos, members);
  }

  Status join(const std::filesystem::path& file) {
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) {
      return {StatusCode::kNotFound, "there is no checkpoint " + file.string()};
    }
    try {
      torch::serialize::InputArchive archive;
      archive.load_from(file.string(), device_);
      const auto theirs = read_provenance(archive);
      const std::string why = theirs ? why_not_together(*theirs, provenance()) : kNotSaid;
      if (!why.empty()) {
        return refused(file, why + "; only trainings of the same pictures go together");
      }
      InceptionNet net(NetShape::of_width(theirs->width, net_->shape.classes));
      torch::serialize::InputArchive inner;
      archive.read("average", inner);
      net->load(inner);
      net->to(device_);
      use_fast_layout(*net);
      others_.push_back(net);
      return {};
    } catch (const std::exception& error) {
      return damaged(file, error, "train that network again");
    }
  }

  Status save(const std::filesystem::path& file) const {
    try {
      torch::serialize::OutputArchive archive;
      const auto part = [&archive](const std::string& name, const auto& what) {
        torch::serialize::OutputArchive inner;
        what.save(inner);
        archive.write(name, inner);
      };
      part("net", *net_);
      part("average", *slow_);
      part("optimiser", *optimiser_);
      archive.write("epoch", torch::tensor(static_cast<std::int64_t>(epoch_)));
      write(provenance(), archive);
      std::ostringstream bytes;
      archive.save_to(bytes);
      return replace_file(bytes.str(), file);
    } catch (const std::exception& error) {
      return failed("cannot write the checkpoint " + file.string(), error);
    }
  }

  Status load(const std::filesystem::path& file) {
    try {
      torch::serialize::InputArchive archive;
      archive.load_from(file.string(), device_);
      const auto theirs = read_provenance(archive);
      if (!theirs) return refused(file, std::string(kNotSaid) + "; begin anew with --restart");
      if (const std::string why = why_not_go_on(*theirs, provenance()); !why.empty()) {
        return refused(file,
                       why + "; give the same folders and flags, or begin anew with --restart");
      }
      const auto part = [&archive](const std::string& name, auto& what) {
        torch::serialize::InputArchive inner;
        archive.read(name, inner);
        what.load(inner);
      };
      part("net", *net_);
      part("average", *slow_);
      part("optimiser", *optimiser_);
      torch::Tensor epoch;
      archive.read("epoch", epoch);
      epoch_ = static_cast<unsigned>(epoch.item<std::int64_t>());
      settle();
      return {};
    } catch (const std::exception& error) {
      return damaged(file, error, "begin anew with --restart");
    }
  }

  Status write_module(double temperature, const std::filesystem::path& file) const {
    try {
      const ModuleSource source = committee().source(temperature);
      torch::jit::Module module("imgrec_classifier");
      for (const auto& [name, value] : source.weights) {
        module.register_buffer(name, value);
      }
      module.define(source.text);
      module.eval();
      std::ostringstream bytes;
      module.save(bytes);
      return write_file(bytes.str(), file);
    } catch (const std::exception& error) {
      return failed("cannot write " + file.string(), error);
    }
  }

  unsigned epoch() const { return epoch_; }
  bool over() const { return epoch_ >= options_.epochs; }

 private:
  Answers ask(Committee& committee, const Photos& photos, const std::vector<std::size_t>& members) {
    return answers_of(photos, members, options_.normalisation, [&](const torch::Tensor& batch) {
      return committee.logits(batch.to(device_));
    });
  }

  Committee committee() const {
    Committee all(options_.mirror);
    all.add(slow_);
    for (const InceptionNet& net : others_) all.add(net);
    if (options_.byte_weights) all.round_to_bytes();
    return all;
  }

  double train_batch(const std::vector<std::size_t>& order, std::size_t step, double rate,
                     Random& random) {
    const std::size_t begin = batches_.begin(step);
    const std::size_t end = batches_.begin(step + 1);
    torch::Tensor batch = batch_tensor(end - begin, photos_.size);
    torch::Tensor labels = torch::empty({static_cast<std::int64_t>(end - begin)}, torch::kLong);
    const bool blanked = epoch_ + options_.whole_epochs < options_.epochs;
    for (std::size_t i = begin; i < end; ++i) {
      augment(photos_.picture(order[i]), photos_.size, options_.normalisation,
              {mirrored_in(order[i], epoch_, options_.seed), blanked, options_.light}, random,
              batch.data_ptr<float>() + (i - begin) * photos_.bytes_each());
      labels.data_ptr<std::int64_t>()[i - begin] = photos_.labels[order[i]];
    }
    optimiser_->param_groups()[0].options().set_lr(rate);
    optimiser_->param_groups()[1].options().set_lr(rate * kOffsetHaste);
    optimiser_->zero_grad();
    const torch::Tensor loss = torch::nn::functional::cross_entropy(
        forward(batch.contiguous(kLayout).to(device_)), labels.to(device_),
        torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(options_.label_smoothing));
    loss.backward();
    optimiser_->step();
    return loss.item<double>();
  }

  // Puts both networks where they are to be computed.
  void settle() {
    for (InceptionNet net : {net_, slow_}) {  // handles
      net->to(device_);
      use_fast_layout(*net);
    }
  }

  torch::Tensor forward(const torch::Tensor& batch) {
    if (options_.precision == Precision::kFp32) return net_->forward(batch);
    const Bf16Products products;
    return net_->forward(batch).to(torch::kFloat);
  }

  // The slow weights go towards the network, less and less as the training goes on, and the network
  // goes on from there.
  void meet(std::uint64_t step) {
    const double done = static_cast<double>(step) / static_cast<double>(schedule_.steps);
    constexpr double kKeptAtTheEnd = 0.774;  // Jordan's 0.95 to the fifth
    go_to(*slow_, *net_, kKeptAtTheEnd * std::pow(done, 3));
    go_to(*net_, *slow_, 0);
  }

  // `one` keeps `kept` of itself and takes the rest from `other`; of what is counted rather than
  // learned (batch statistics) likewise.
  static void go_to(torch::nn::Module& one, const torch::nn::Module& other, double kept) {
    const torch::NoGradGuard no_grad;
    const auto towards = [kept](std::vector<torch::Tensor> to, std::vector<torch::Tensor> from) {
      for (std::size_t i = 0; i < to.size(); ++i) {
        if (to[i].is_floating_point()) {
          to[i].lerp_(from[i], 1 - kept);
        } else {
          to[i].copy_(from[i]);
        }
      }
    };
    towards(one.parameters(), other.parameters());
    towards(one.buffers(), other.buffers());
  }

  Provenance provenance() const {
    return {.classes = photos_.classes,
            .digest = digest_,
            .pictures = members_.size(),
            .size = photos_.size,
            .width = options_.width,
            .batch = options_.batch,
            .rate = options_.rate,
            .seed = options_.seed};
  }

  const TrainerOptions options_;
  const Photos& photos_;
  const std::vector<std::size_t> members_;
  const std::string digest_;
  const torch::Device device_;
  InceptionNet net_{nullptr};
  InceptionNet slow_{nullptr};
  std::vector<InceptionNet> others_;  // of other trainings
  std::optional<torch::optim::SGD> optimiser_;
  Batches batches_;  // of an epoch
  std::uint64_t look_ahead_ = 1;
  Schedule schedule_;
  unsigned epoch_ = 0;
};

Precision fastest_precision() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16") ? Precision::kBf16 : Precision::kFp32;
#else
  return Precision::kFp32;
#endif
}

bool accelerator_there() { return torch::cuda::is_available(); }

const char* name_of(Precision precision) { return precision == Precision::kBf16 ? "bf16" : "fp32"; }

Trainer::Trainer(TrainerOptions options, const Photos& photos, std::vector<std::size_t> members,
                 std::string digest) {
  try {
    impl_ = std::make_unique<Impl>(options, photos, std::move(members), std::move(digest));
  } catch (const c10::Error& error) {
    throw std::runtime_error(words_of(error));
  }
}
Trainer::~Trainer() = default;

Status Trainer::run_epoch(const std::function<void(const Progress&)>& tell) {
  if (impl_->over()) return {StatusCode::kFailedPrecondition, "the training is over"};
  try {
    impl_->run_epoch(tell);
    return {};
  } catch (const std::exception& error) {
    return failed("epoch " + std::to_string(impl_->epoch() + 1) + " failed", error);
  }
}
unsigned Trainer::epochs_done() const { return impl_->epoch(); }
Result<Answers> Trainer::evaluate(const Photos& photos, const std::vector<std::size_t>& members) {
  try {
    return impl_->evaluate(photos, members);
  } catch (const std::exception& error) {
    return failed("the evaluation failed", error);
  }
}
Result<Answers> Trainer::evaluate_module(const Photos& photos,
                                         const std::vector<std::size_t>& members) {
  try {
    return impl_->evaluate_module(photos, members);
  } catch (const std::exception& error) {
    return failed("the evaluation failed", error);
  }
}
Status Trainer::join(const std::filesystem::path& checkpoint) { return impl_->join(checkpoint); }
Status Trainer::save(const std::filesystem::path& file) const { return impl_->save(file); }
Status Trainer::load(const std::filesystem::path& file) { return impl_->load(file); }
Status Trainer::write_module(double temperature, const std::filesystem::path& file) const {
  return impl_->write_module(temperature, file);
}

Result<Answers> run_module(const std::filesystem::path& file, const Photos& photos,
                           const std::vector<std::size_t>& members, const Normalisation& how) {
  try {
    torch::jit::Module module = torch::jit::load(file.string());
    return answers_of(photos, members, how, [&module](const torch::Tensor& batch) {
      return module.forward({batch}).toTensor();
    });
  } catch (const std::exception& error) {
    return failed("cannot run " + file.string(), error);
  }
}

}  // namespace imgrec::training
