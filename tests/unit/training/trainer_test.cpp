#include "training/torch/trainer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <utility>

#include <gmock/gmock.h>
#include <torch/serialize/archive.h>

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Two classes that anybody can tell: bright above and dark below, or the other way round, in noise.
Photos two_classes(std::size_t each, std::uint64_t seed) {
  Random random(seed);
  Photos photos;
  photos.size = 16;
  photos.classes = {"bright above", "dark above"};
  for (std::size_t i = 0; i < 2 * each; ++i) {
    const auto label = static_cast<std::uint32_t>(i % 2);
    for (std::size_t pixel = 0; pixel < std::size_t{16} * 16; ++pixel) {
      const bool above = pixel < 128;
      const std::uint64_t base = above == (label == 0) ? 120 : 40;
      for (int c = 0; c < 3; ++c) {
        photos.pixels.push_back(static_cast<std::uint8_t>(base + random.below(80)));
      }
    }
    photos.labels.push_back(label);
  }
  return photos;
}

std::vector<std::size_t> everything(const Photos& photos) {
  std::vector<std::size_t> members(photos.count());
  for (std::size_t i = 0; i < members.size(); ++i) members[i] = i;
  return members;
}

class TrainerTest : public ::testing::Test {
 protected:
  TrainerTest() {
    std::string pattern = (fs::temp_directory_path() / "imgrec-train-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    dir_ = pattern;
    options_.epochs = 3;
    options_.batch = 16;
    options_.rate = 0.05;
  }
  ~TrainerTest() override { fs::remove_all(dir_); }

  Trainer trainer() { return Trainer(options_, photos_, everything(photos_)); }
  static void run(Trainer& trainer, unsigned epochs) {
    for (unsigned i = 0; i < epochs; ++i) ASSERT_TRUE(trainer.run_epoch([](const auto&) {}));
  }

  fs::path dir_;
  TrainerOptions options_;
  const Photos photos_ = two_classes(64, 1);
  const Photos unseen_ = two_classes(50, 2);
};

TEST_F(TrainerTest, LearnsWhatCanBeLearned) {
  Trainer learner = trainer();
  std::vector<Trainer::Progress> told;
  while (learner.run_epoch([&](const Trainer::Progress& p) { told.push_back(p); })) {
  }
  EXPECT_EQ(learner.epochs_done(), 3u);
  ASSERT_EQ(told.size(), 3u * 8);
  EXPECT_EQ(told.back().step, told.back().steps);
  EXPECT_LT(told.back().loss, told.front().loss);
  EXPECT_GT(Confusion(*learner.evaluate(unseen_, everything(unseen_))).accuracy(), 0.95);
}

TEST_F(TrainerTest, LearnsWhereOnePictureIsMoreThanABatch) {
  Photos odd = two_classes(9, 1);
  odd.pixels.resize(17 * odd.bytes_each());
  odd.labels.resize(17);
  Trainer learner(options_, odd, everything(odd));
  std::vector<std::uint64_t> steps;
  const Status status = learner.run_epoch([&](const auto& told) { steps.push_back(told.step); });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(steps.size(), 2u);
}

TEST_F(TrainerTest, SaysWhatWentWrongInOneLine) {
  Photos tiny;  // of 8 x 8 pixels one is left in the end, and one value has no variance
  tiny.size = 8;
  tiny.classes = {"a", "b"};
  tiny.labels = {0};
  tiny.pixels.resize(tiny.bytes_each());
  Trainer learner(options_, tiny, everything(tiny));
  const Status alone = learner.run_epoch([](const auto&) {});
  EXPECT_THAT(alone.message(), HasSubstr("epoch 1 failed: Expected more than 1 value"));
  EXPECT_THAT(alone.message(), Not(HasSubstr("\n")));
  Photos smaller = two_classes(2, 1);
  smaller.size = 2;
  const auto answers = learner.evaluate(smaller, everything(smaller));
  ASSERT_FALSE(answers.ok());
  EXPECT_THAT(answers.status().message(), HasSubstr("the evaluation failed: "));
  EXPECT_THAT(answers.status().message(), Not(HasSubstr("\n")));
}

TEST_F(TrainerTest, GoesOnFromACheckpointAsIfNothingHadBeenBetween) {
  Trainer whole = trainer();
  run(whole, 3);
  {
    Trainer first = trainer();
    run(first, 2);
    ASSERT_TRUE(first.save(dir_ / "state").ok());
  }
  Trainer second = trainer();
  const Status loaded = second.load(dir_ / "state");
  ASSERT_TRUE(loaded.ok()) << loaded.message();
  EXPECT_EQ(second.epochs_done(), 2u);
  run(second, 1);
  const Answers a = *whole.evaluate(unseen_, everything(unseen_));
  const Answers b = *second.evaluate(unseen_, everything(unseen_));
  double worst = 0;
  for (std::size_t i = 0; i < a.logits.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(a.logits[i] - b.logits[i])));
  }
  EXPECT_LT(worst, 0.05) << "sums of floats may come in another order, no more";
  EXPECT_FALSE(fs::exists(dir_ / "state.new"));
}

TEST_F(TrainerTest, RefusesACheckpointOfAnotherTraining) {
  Trainer first = trainer();
  run(first, 1);
  ASSERT_TRUE(first.save(dir_ / "state").ok());
  options_.batch = 32;
  options_.width = 150;
  Trainer other = trainer();
  const Status refused = other.load(dir_ / "state");
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("batches of 16"));
  EXPECT_THAT(refused.message(), HasSubstr("batches of 32"));
  EXPECT_THAT(refused.message(), HasSubstr("width 150"));
  EXPECT_THAT(refused.message(), HasSubstr("begin anew with --restart"));
}

TEST_F(TrainerTest, RefusesACheckpointOfOtherPicturesOrClasses) {
  Trainer first(options_, photos_, everything(photos_), "of these");
  run(first, 1);
  ASSERT_TRUE(first.save(dir_ / "state").ok());
  Trainer same(options_, photos_, everything(photos_), "of these");
  EXPECT_TRUE(same.load(dir_ / "state").ok());
  EXPECT_TRUE(same.join(dir_ / "state").ok());
  Trainer others(options_, photos_, everything(photos_), "of those");
  EXPECT_THAT(others.load(dir_ / "state").message(),
              AllOf(HasSubstr("was trained on other pictures"), HasSubstr("--restart")));
  EXPECT_EQ(others.join(dir_ / "state").code(), StatusCode::kFailedPrecondition);
  Photos swapped = photos_;
  std::swap(swapped.classes[0], swapped.classes[1]);
  Trainer other_way(options_, swapped, everything(swapped), "of these");
  EXPECT_THAT(other_way.load(dir_ / "state").message(),
              HasSubstr("other classes: bright above, dark above; this training has dark above"));
  EXPECT_EQ(other_way.join(dir_ / "state").code(), StatusCode::kFailedPrecondition);
}

TEST_F(TrainerTest, SaysWhatToDoAboutACheckpointThatCannotBeUsed) {
  std::ofstream(dir_ / "damaged") << "no checkpoint";
  Trainer learner = trainer();
  EXPECT_THAT(learner.load(dir_ / "damaged").message(),
              AllOf(HasSubstr("cannot read the checkpoint"), HasSubstr("--restart")));
  EXPECT_THAT(learner.join(dir_ / "damaged").message(), HasSubstr("train that network again"));
  EXPECT_EQ(learner.join(dir_ / "none").code(), StatusCode::kNotFound);
  torch::serialize::OutputArchive old;  // as they were before they said what they are of
  old.write("settings", torch::IValue("128 pictures of 16 pixels in 2 classes"));
  old.save_to((dir_ / "old").string());
  EXPECT_THAT(learner.load(dir_ / "old").message(),
              AllOf(HasSubstr("does not say what it was trained on"), HasSubstr("--restart")));
  EXPECT_THAT(learner.join(dir_ / "old").message(), HasSubstr("does not say what"));
}

TEST_F(TrainerTest, GoesOnWithAnotherNumberOfEpochs) {
  Trainer first = trainer();
  run(first, 2);
  ASSERT_TRUE(first.save(dir_ / "state").ok());
  options_.epochs = 4;
  Trainer longer = trainer();
  ASSERT_TRUE(longer.load(dir_ / "state").ok());
  EXPECT_EQ(longer.epochs_done(), 2u);
  Trainer::Progress told;
  while (longer.run_epoch([&](const Trainer::Progress& p) { told = p; })) {
  }
  EXPECT_EQ(longer.epochs_done(), 4u);
  EXPECT_EQ(told.step, told.steps) << "the rate has fallen to its end";
  options_.epochs = 1;
  Trainer done = trainer();
  ASSERT_TRUE(done.load(dir_ / "state").ok());
  EXPECT_FALSE(done.run_epoch([](const auto&) {})) << "more than asked for is done already";
}

TEST_F(TrainerTest, SeesWholePicturesInTheLastEpochsOnly) {
  const auto losses = [this](unsigned whole) {
    options_.whole_epochs = whole;
    Trainer learner = trainer();
    std::vector<double> of_epochs;
    double loss = 0;
    while (learner.run_epoch([&](const Trainer::Progress& p) { loss = p.loss; })) {
      of_epochs.push_back(loss);
    }
    return of_epochs;
  };
  const std::vector<double> never = losses(0);
  const std::vector<double> last = losses(1);
  EXPECT_NEAR(last[0], never[0], 1e-5);
  EXPECT_NEAR(last[1], never[1], 1e-5);
  EXPECT_GT(std::abs(last[2] - never[2]), 1e-4);
}

TEST_F(TrainerTest, LearnsTheSameInEitherPrecision) {
  if (fastest_precision() != Precision::kBf16) GTEST_SKIP() << "no bf16 instructions here";
  std::vector<double> losses[2];
  double accuracy[2] = {};
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    const auto i = static_cast<std::size_t>(precision);
    options_.precision = precision;
    Trainer learner = trainer();
    while (learner.run_epoch([&](const Trainer::Progress& p) { losses[i].push_back(p.loss); })) {
    }
    accuracy[i] = Confusion(*learner.evaluate(unseen_, everything(unseen_))).accuracy();
  }
  EXPECT_NE(losses[0], losses[1]) << "the precision must make some difference";
  EXPECT_NEAR(losses[0].front(), losses[1].front(), 0.03);
  EXPECT_NEAR(losses[0].back(), losses[1].back(), 0.05);
  EXPECT_GT(accuracy[1], 0.95);
}

TEST_F(TrainerTest, TheModuleSaysWhatTheNetworkSays) {
  options_.width = 50;
  Trainer learner = trainer();
  run(learner, 3);
  constexpr double kTemperature = 1.7;
  ASSERT_TRUE(learner.write_module(kTemperature, dir_ / "model.pt").ok());
  const Answers logits = *learner.evaluate(unseen_, everything(unseen_));
  const auto said =
      run_module(dir_ / "model.pt", unseen_, everything(unseen_), options_.normalisation);
  ASSERT_TRUE(said.ok()) << said.status().message();
  ASSERT_EQ(said->logits.size(), logits.logits.size());
  for (std::size_t i = 0; i < logits.count(); ++i) {
    const double first = 1 / (1 + std::exp((logits.row(i)[1] - logits.row(i)[0]) / kTemperature));
    EXPECT_NEAR(said->row(i)[0], first, 1e-4) << i;
  }
}

TEST_F(TrainerTest, TheModuleMayLookAtTheMirrorImageToo) {
  options_.mirror = true;
  Trainer learner = trainer();
  run(learner, 2);
  const Answers both = *learner.evaluate(unseen_, everything(unseen_));
  ASSERT_TRUE(learner.write_module(1, dir_ / "both.pt").ok());
  ASSERT_TRUE(learner.save(dir_ / "state").ok());
  options_.mirror = false;
  Trainer same = trainer();
  ASSERT_TRUE(same.load(dir_ / "state").ok()) << "it is the same training";
  const Answers one = *same.evaluate(unseen_, everything(unseen_));
  ASSERT_TRUE(same.write_module(1, dir_ / "one.pt").ok());

  Photos mirrored = unseen_;
  const std::size_t size = mirrored.size;
  for (std::size_t i = 0; i < mirrored.count(); ++i) {
    for (std::size_t y = 0; y < size; ++y) {
      for (std::size_t x = 0; x < size; ++x) {
        for (std::size_t c = 0; c < 3; ++c) {
          mirrored.pixels[i * mirrored.bytes_each() + (y * size + x) * 3 + c] =
              unseen_.picture(i)[(y * size + size - 1 - x) * 3 + c];
        }
      }
    }
  }
  const Answers other = *same.evaluate(mirrored, everything(mirrored));
  for (std::size_t i = 0; i < both.logits.size(); ++i) {
    EXPECT_NEAR(both.logits[i], (one.logits[i] + other.logits[i]) / 2, 1e-4) << i;
  }
  const auto module =
      run_module(dir_ / "both.pt", unseen_, everything(unseen_), options_.normalisation);
  ASSERT_TRUE(module.ok()) << module.status().message();
  for (std::size_t i = 0; i < both.count(); ++i) {
    EXPECT_NEAR(module->row(i)[0], probabilities(both.row(i), both.classes, 1)[0], 1e-4) << i;
  }
  EXPECT_LT(fs::file_size(dir_ / "both.pt"),
            1.1 * static_cast<double>(fs::file_size(dir_ / "one.pt")))
      << "the weights are stored once";
}

// Two networks: that of options_, and one of another width, whose checkpoint is the file "other".
class CommitteeTest : public TrainerTest {
 protected:
  CommitteeTest() {
    options_.width = 50;
    options_.seed = 2;
    Trainer other = trainer();
    run(other, 1);
    theirs_ = *other.evaluate(unseen_, everything(unseen_));
    EXPECT_TRUE(other.save(dir_ / "other").ok());
    options_.width = 75;
    options_.seed = 1;
  }
  static double worst(const Answers& module, const Answers& logits) {
    double worst = 0;
    for (std::size_t i = 0; i < logits.count(); ++i) {
      const double said = probabilities(logits.row(i), logits.classes, 1)[0];
      worst = std::max(worst, std::abs(module.row(i)[0] - said));
    }
    return worst;
  }
  Answers theirs_;
};

TEST_F(CommitteeTest, TheModuleSaysTheMeanOfAllNetworks) {
  Trainer learner = trainer();
  run(learner, 2);
  const Answers ours = *learner.evaluate(unseen_, everything(unseen_));
  ASSERT_TRUE(learner.join(dir_ / "other").ok());
  EXPECT_EQ(learner.evaluate(unseen_, everything(unseen_))->logits, ours.logits) << "its own alone";
  const Answers all = *learner.evaluate_module(unseen_, everything(unseen_));
  double apart = 0;
  for (std::size_t i = 0; i < all.logits.size(); ++i) {
    EXPECT_NEAR(all.logits[i], (ours.logits[i] + theirs_.logits[i]) / 2, 1e-4) << i;
    apart = std::max<double>(apart, std::abs(ours.logits[i] - theirs_.logits[i]));
  }
  EXPECT_GT(apart, 0.1) << "of two networks";
  ASSERT_TRUE(learner.write_module(1, dir_ / "all.pt").ok());
  const auto module =
      run_module(dir_ / "all.pt", unseen_, everything(unseen_), options_.normalisation);
  ASSERT_TRUE(module.ok()) << module.status().message();
  EXPECT_LT(worst(*module, all), 1e-4);
}

TEST_F(CommitteeTest, RoundedWeightsTakeAByteAndSayNearlyTheSame) {
  Trainer learner = trainer();
  run(learner, 2);
  ASSERT_TRUE(learner.join(dir_ / "other").ok());
  const Answers exact = *learner.evaluate_module(unseen_, everything(unseen_));
  ASSERT_TRUE(learner.write_module(1, dir_ / "exact.pt").ok());
  ASSERT_TRUE(learner.save(dir_ / "state").ok());

  options_.mirror = options_.byte_weights = true;
  Trainer rounding = trainer();
  ASSERT_TRUE(rounding.load(dir_ / "state").ok()) << "it is the same training";
  ASSERT_TRUE(rounding.join(dir_ / "other").ok());
  const Answers rounded = *rounding.evaluate_module(unseen_, everything(unseen_));
  ASSERT_TRUE(rounding.write_module(1, dir_ / "rounded.pt").ok());
  const auto module =
      run_module(dir_ / "rounded.pt", unseen_, everything(unseen_), options_.normalisation);
  ASSERT_TRUE(module.ok()) << module.status().message();
  EXPECT_LT(worst(*module, rounded), 1e-4) << "the module has the very weights that were judged";
  EXPECT_LT(static_cast<double>(fs::file_size(dir_ / "rounded.pt")),
            0.45 * static_cast<double>(fs::file_size(dir_ / "exact.pt")));
  EXPECT_GT(Confusion(rounded).accuracy(), Confusion(exact).accuracy() - 0.05);
  EXPECT_EQ(rounding.evaluate(unseen_, everything(unseen_))->count(), unseen_.count());
  Trainer again = trainer();
  ASSERT_TRUE(again.load(dir_ / "state").ok());
  EXPECT_EQ(again.evaluate(unseen_, everything(unseen_))->logits,
            rounding.evaluate(unseen_, everything(unseen_))->logits)
      << "what is trained on stays as it is";
}

TEST_F(CommitteeTest, RefusesANetworkOfOtherPictures) {
  const Photos others = two_classes(60, 1);
  Trainer learner(options_, others, everything(others));
  EXPECT_THAT(learner.join(dir_ / "other").message(),
              AllOf(HasSubstr("128 pictures"), HasSubstr("this one has 120 pictures")));
}

TEST_F(TrainerTest, AFullDiskIsAFailureInWords) {
  const Status full = trainer().write_module(1, "/dev/full");
  EXPECT_THAT(full.message(), HasSubstr("cannot write /dev/full: No space left"));
  fs::create_symlink("/dev/full", dir_ / "state.new");
  EXPECT_THAT(trainer().save(dir_ / "state").message(), HasSubstr("No space left"));
  EXPECT_TRUE(fs::is_empty(dir_)) << "no half a checkpoint";
}

}  // namespace
}  // namespace imgrec::training
