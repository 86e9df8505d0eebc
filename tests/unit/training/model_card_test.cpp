#include "training/app/model_card.h"

#include <gmock/gmock.h>

namespace imgrec::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Of each class 9 surely right, 1 surely wrong.
Answers nine_of_ten() {
  Answers made;
  made.classes = 2;
  for (std::uint32_t i = 0; i < 20; ++i) {
    const bool right = i % 10 != 0;
    const std::uint32_t label = i / 10;
    made.labels.push_back(label);
    for (std::uint32_t c = 0; c < 2; ++c) made.logits.push_back((c == label) == right ? 4 : 0);
  }
  return made;
}

TEST(ModelCard, SaysWhatItIsHowGoodAndHowItWasMade) {
  const auto options = parse_train_options({"--data", "/home/me/pets", "--test", "/home/me/more",
                                            "--out", "models/pets", "--epochs", "7", "--held-out",
                                            "4", "--precision", "fp32", "--licence", "ours"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  Photos photos;
  photos.size = 32;
  photos.classes = {"cat", "dog"};
  Judgement judgement = judge(nine_of_ten(), nine_of_ten(), /*apart=*/true, /*sure=*/0.9);
  judgement.trained = 480;
  judgement.epochs = 9;
  const std::string card = model_card(*options, photos, judgement);
  EXPECT_THAT(card, AllOf(HasSubstr("# pets\n"), HasSubstr("It knows 2 classes: cat, dog."),
                          HasSubstr("480 pictures, 9 epochs, seed 1, products in fp32"),
                          HasSubstr("90.00 % of 20 pictures that it was neither trained"),
                          HasSubstr("above it are right in 90.0 %"), HasSubstr("| licence | ours"),
                          HasSubstr("cat              9     1    90.0\n")));
  EXPECT_THAT(card, HasSubstr("    imgrec-train --data DIR --test DIR --out pets --size 32 "
                              "--held-out 4 --width 100 --epochs 9 --batch 256 --rate 0.375 "
                              "--seed 1 --precision fp32 --sure 95\n"));
  EXPECT_THAT(card, Not(HasSubstr("--classes")));
  EXPECT_THAT(card, Not(HasSubstr("/home/me"))) << "where the pictures are is nobody's business";
}

TEST(ModelCard, ItsCommandIsWhatAShellTakes) {
  const auto options = parse_train_options({"--data", "pets", "--out", "models/pets", "--name",
                                            "Ann's pets", "--classes", "dog,guinea pig,cat"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  Photos photos;
  photos.size = 32;
  photos.classes = {"cat", "dog"};
  EXPECT_THAT(model_card(*options, photos, judge(nine_of_ten(), nine_of_ten(), false, 0.9)),
              HasSubstr("--out 'Ann'\\''s pets' --classes 'cat,dog,guinea pig' --size"));
}

TEST(ModelCard, HasNoFigureOfNoAnswers) {
  const auto options = parse_train_options({"--data", "pets", "--out", "models/pets"});
  ASSERT_TRUE(options.ok());
  Photos photos;
  photos.size = 32;
  photos.classes = {"cat", "dog"};
  Answers wrong = nine_of_ten();
  for (std::uint32_t& label : wrong.labels) label = 1 - label;
  Judgement judgement = judge(wrong, wrong, false, /*sure=*/0.95);
  judgement.kept = part_above(wrong, 1, 1.1);
  EXPECT_THAT(report(photos, judgement), HasSubstr("on, which no answer reaches\n"));
  EXPECT_THAT(model_card(*options, photos, judgement), HasSubstr(", which no answer reached |\n"));
}

TEST(ModelCard, SaysWhichNetworksAreAsked) {
  const auto options =
      parse_train_options({"--data", "pets", "--out", "models/pets", "--mirror", "--bytes",
                           "--with", "/home/me/a.checkpoint,b.checkpoint"});
  ASSERT_TRUE(options.ok());
  Photos photos;
  photos.size = 32;
  photos.classes = {"cat", "dog"};
  const std::string card =
      model_card(*options, photos, judge(nine_of_ten(), nine_of_ten(), false, 0.9));
  EXPECT_THAT(card, HasSubstr("| networks | 3, the mean of whose answers is taken; each looks at"));
  EXPECT_THAT(card, HasSubstr(" --mirror --bytes --with a.checkpoint,b.checkpoint --rate"));
}

TEST(ModelCard, SaysThatItWasTunedOnWhatItWasJudgedBy) {
  const auto options = parse_train_options({"--data", "pets", "--out", "models/pets"});
  ASSERT_TRUE(options.ok());
  Photos photos;
  photos.size = 32;
  photos.classes = {"cat", "dog"};
  const Judgement judgement = judge(nine_of_ten(), nine_of_ten(), /*apart=*/false, 0.9);
  const std::string card = model_card(*options, photos, judgement);
  EXPECT_THAT(card, HasSubstr("but its scores were tuned on"));
  EXPECT_THAT(card, Not(HasSubstr("--test")));
}

}  // namespace
}  // namespace imgrec::training
