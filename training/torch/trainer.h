// Trains an InceptionNet on pictures in memory: stochastic gradient descent with Nesterov momentum,
// label smoothing, weight decay, and slow weights, towards which the network goes and from which it
// goes on every few steps; they are what is evaluated and kept (Zhang et al., "Lookahead
// Optimizer", 2019). The recipe is that of Jordan, "94% on CIFAR-10 in 3.29 Seconds" (2024),
// but for what docs/decisions/0023-recipe-of-a-small-network.md says.
//
// Thread rule: one thread at a time; LibTorch is set to use `threads` of its own.
// Owns: the network, its slow weights, the optimiser's state. Borrows the pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proto/status.h"
#include "training/core/evaluation.h"
#include "training/core/photos.h"

namespace imgrec::training {

// In what numbers the products of a training step are made. Weights, their sums, batch statistics
// and the loss are single precision in either case, and so is every evaluation.
enum class Precision { kFp32, kBf16 };

// kBf16 where this processor multiplies such numbers faster than single precision, else kFp32.
Precision fastest_precision();
const char* name_of(Precision precision);  // "fp32", "bf16"

// LibTorch was built with CUDA (Debian's is not), and there is a GPU for it.
bool accelerator_there();

struct TrainerOptions {
  unsigned epochs = 30;
  unsigned batch = 256;
  unsigned width = 100;  // percent of the network's channels
  double rate = 0.375;   // peak
  double warm_up = 0.1;  // part of the training in which the rate rises
  double momentum = 0.85;
  double weight_decay = 1.3e-3;
  double label_smoothing = 0.2;
  double light = 0.2;        // contrast and brightness change by up to so much (Augmentation)
  unsigned look_ahead = 20;  // at most so many steps, then the network and its slow weights meet
  std::uint64_t seed = 1;
  Precision precision = Precision::kFp32;  // on the processor; an accelerator takes kFp32 alone
  unsigned threads = 1;
  std::string device = "cpu";  // or "cuda", where accelerator_there()
  // The last epochs, in which no part of a picture is blanked: what it is to recognise later is
  // whole. He et al., "Data Augmentation Revisited" (2019).
  unsigned whole_epochs = 0;
  // Evaluations and the module look at each picture and at its mirror image, and take the mean of
  // their logits: twice the work. Of no influence on the training itself.
  bool mirror = false;
  // The module's weights are rounded to a byte each: a quarter of the file. Likewise.
  bool byte_weights = false;
  Normalisation normalisation;
};

class Trainer {
 public:
  // `members`: the pictures to train on, two at least. `photos` must outlive the trainer. `digest`
  // names the pictures, and which of them are held out: a checkpoint is of these. Throws
  // std::runtime_error, as where memory ends.
  Trainer(TrainerOptions options, const Photos& photos, std::vector<std::size_t> members,
          std::string digest = {});
  ~Trainer();

  struct Progress {
    std::uint64_t step = 0;  // of all
    std::uint64_t steps = 0;
    double loss = 0;  // of this epoch so far
    double rate = 0;
  };
  // Trains the next epoch; the order of the pictures and what is done to them depend on the seed
  // and the epoch alone. Calls `tell` after each step. kFailedPrecondition: the training is over.
  Status run_epoch(const std::function<void(const Progress&)>& tell);
  unsigned epochs_done() const;

  // What the slow weights say of the pictures `members`.
  Result<Answers> evaluate(const Photos& photos, const std::vector<std::size_t>& members);

  // The module is to ask the network of another training, too, as it is in this checkpoint: the
  // mean of all logits. kFailedPrecondition: it was trained on other pictures or classes, or does
  // not say on which.
  Status join(const std::filesystem::path& checkpoint);
  // What the module will say: of all networks that were joined, with weights as they are stored.
  Result<Answers> evaluate_module(const Photos& photos, const std::vector<std::size_t>& members);

  // Everything needed to go on as if nothing had been between. The file that was there stays until
  // all of the new one is on the disk.
  Status save(const std::filesystem::path& file) const;
  // kFailedPrecondition: the file is of a training with other pictures, classes or settings, or
  // does not say of which. Another number of epochs, precision or number of threads is no other
  // setting: it goes on with the new ones from there.
  Status load(const std::filesystem::path& file);

  // Writes what evaluate_module() asks as TorchScript: batch normalisation folded into the
  // convolutions before it, softmax(logits / temperature) at the end.
  Status write_module(double temperature, const std::filesystem::path& file) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What a module that write_module() wrote says of the pictures: probabilities, in place of logits.
Result<Answers> run_module(const std::filesystem::path& file, const Photos& photos,
                           const std::vector<std::size_t>& members, const Normalisation& how);

}  // namespace imgrec::training
