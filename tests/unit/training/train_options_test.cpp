#include "training/app/train_options.h"

#include <gmock/gmock.h>

namespace imgrec::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<TrainOptions> parse(std::vector<std::string> more) {
  std::vector<std::string> words = {"--data", "pets", "--out", "models/pets/"};
  words.insert(words.end(), more.begin(), more.end());
  return parse_train_options(words);
}

TEST(TrainOptions, HasDefaultsForEverythingButTheFolders) {
  const auto options = parse({});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->out, "models/pets");
  EXPECT_EQ(options->name, "pets");
  EXPECT_EQ(options->checkpoint, "models/pets.checkpoint");
  EXPECT_EQ(options->trainer.epochs, 30u);
  EXPECT_TRUE(options->folders.classes.empty());
  EXPECT_EQ(options->trainer.precision, fastest_precision());
  EXPECT_EQ(options->trainer.device, "cpu");
  EXPECT_GE(options->trainer.threads, 1u);
  EXPECT_FALSE(parse_train_options({"--data", "pets"}).ok());
}

TEST(TrainOptions, TakesWhatItIsGiven) {
  const auto options = parse({"--epochs=3",
                              "--classes",
                              "dog,cat",
                              "--size",
                              "64",
                              "--sure",
                              "90",
                              "--held-out",
                              "20",
                              "--rate",
                              "0.02",
                              "--seed",
                              "7",
                              "--memory=100",
                              "--precision=fp32",
                              "--threads=3",
                              "--whole=2",
                              "--width",
                              "150",
                              "--mirror",
                              "--bytes",
                              "--with",
                              "a/b.checkpoint,c"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->trainer.epochs, 3u);
  EXPECT_THAT(options->folders.classes, ElementsAre("cat", "dog")) << "sorted";
  EXPECT_EQ(options->folders.size, 64u);
  EXPECT_DOUBLE_EQ(options->sure, 0.9);
  EXPECT_EQ(options->held_out, 20u);
  EXPECT_DOUBLE_EQ(options->trainer.rate, 0.02);
  EXPECT_EQ(options->trainer.seed, 7u);
  EXPECT_EQ(options->folders.max_bytes, 100u << 20);
  EXPECT_EQ(options->trainer.precision, Precision::kFp32);
  EXPECT_EQ(options->trainer.threads, 3u);
  EXPECT_EQ(options->trainer.whole_epochs, 2u);
  EXPECT_TRUE(options->trainer.mirror);
  EXPECT_TRUE(options->trainer.byte_weights);
  EXPECT_THAT(options->committee, ElementsAre("a/b.checkpoint", "c"));
  EXPECT_EQ(options->trainer.width, 150u);
}

TEST(TrainOptions, NamesThePicturesAfterTheirDirectoryHoweverItIsWritten) {
  for (const char* const data : {"my/pets", "my/pets/", "my/pets/.", "/my/cats/../pets//"}) {
    const auto options = parse_train_options({"--data", data, "--out", "models/pets"});
    ASSERT_TRUE(options.ok());
    EXPECT_EQ(options->source, "trained by imgrec-train on pets") << data;
  }
  const auto here = parse_train_options({"--data", ".", "--out", "models/pets"});
  EXPECT_EQ(here->source,
            "trained by imgrec-train on " + std::filesystem::current_path().filename().string());
}

TEST(TrainOptions, RefusesWhatMakesNoSenseInWords) {
  for (const auto& [word, complaint] : std::vector<std::pair<std::string, std::string>>{
           {"--size=33", "multiple of 8"},
           {"--size=4", "--size"},
           {"--epochs=0", "--epochs"},
           {"--epochs=x", "--epochs"},
           {"--classes=cat", "fewer than two"},
           {"--classes=,", "fewer than two"},
           {"--classes=cat,dog,cat", "\"cat\" twice"},
           {"--classes=cat/,dog", "\"cat/\" is no class"},
           {"--classes=.,dog", "\".\" is no class"},
           {"--rate=0", "--rate"},
           {"--rate=nan", "--rate"},
           {"--held-out=99", "--held-out"},
           {"--precision=int8", "--precision"},
           {"--device=abacus", "--device"},
           {"--threads=0", "--threads"},
           {"--colour=red", "--colour"},
           {"stray", "stray"}}) {
    const auto options = parse({word});
    ASSERT_FALSE(options.ok()) << word;
    EXPECT_THAT(options.status().message(), HasSubstr(complaint));
  }
}

TEST(TrainOptions, TakeAnAcceleratorOnlyWhereThereIsOne) {
  const auto options = parse({"--device=cuda"});
  ASSERT_EQ(options.ok(), accelerator_there());
  if (!options.ok()) {
    EXPECT_THAT(options.status().message(), HasSubstr("use --device cpu"));
  } else {
    EXPECT_EQ(options->trainer.precision, Precision::kFp32);
    EXPECT_FALSE(parse({"--device=cuda", "--precision=bf16"}).ok());
  }
}

}  // namespace
}  // namespace imgrec::training
