#include "training/core/evaluation.h"

#include <cmath>

#include <gmock/gmock.h>

#include "training/core/random.h"

namespace imgrec::training {
namespace {

using ::testing::HasSubstr;

Answers answers(std::size_t classes,
                std::vector<std::pair<std::vector<float>, std::uint32_t>> rows) {
  Answers made;
  made.classes = classes;
  for (auto& [logits, label] : rows) {
    made.logits.insert(made.logits.end(), logits.begin(), logits.end());
    made.labels.push_back(label);
  }
  return made;
}

TEST(Confusion, CountsWhatWasTakenForWhat) {
  const Confusion confusion(
      answers(3, {{{9, 0, 0}, 0}, {{9, 0, 0}, 0}, {{0, 9, 0}, 0}, {{0, 9, 0}, 1}, {{9, 0, 0}, 2}}));
  EXPECT_EQ(confusion.at(0, 0), 2u);
  EXPECT_EQ(confusion.at(0, 1), 1u);
  EXPECT_EQ(confusion.at(2, 0), 1u);
  EXPECT_DOUBLE_EQ(confusion.accuracy(), 0.6);
  EXPECT_DOUBLE_EQ(confusion.recall(0), 2.0 / 3);
  EXPECT_DOUBLE_EQ(confusion.precision(0), 2.0 / 3);
  EXPECT_DOUBLE_EQ(confusion.precision(2), 0) << "never said";
  const std::string table = confusion.table({"cat", "dog", "a very long name"});
  EXPECT_THAT(table, HasSubstr("a very long name     1     0     0     0.0\n"));
  EXPECT_THAT(table, HasSubstr("66.7"));
}

TEST(Confusion, ItsTableHasNoFigureWhereThereIsNothingToCount) {
  const Confusion confusion(answers(3, {{{9, 0, 0}, 0}, {{9, 0, 0}, 1}}));
  const std::string table = confusion.table({"cat", "dog", "unicorn"});
  EXPECT_THAT(table, HasSubstr("cat              1     0     0   100.0\n"));
  EXPECT_THAT(table, HasSubstr("dog              1     0     0     0.0\n"));
  EXPECT_THAT(table, HasSubstr("unicorn          0     0     0       -\n"));
  EXPECT_THAT(table, HasSubstr("precision     50.0     -     -\n"));
}

TEST(Confusion, ItsTableIsStraightWhateverTheLetters) {
  const std::string table = Confusion(answers(2, {{{9, 0}, 0}, {{0, 9}, 1}}))
                                .table({"B\xc3\xa4r & V\xc3\xb6gel im Wald", "Katze"});
  EXPECT_THAT(table, HasSubstr("B\xc3\xa4r & V\xc3\xb6gel im Wald     1     0   100.0\n"));
  EXPECT_THAT(table, HasSubstr("Katze                   0     1   100.0\n"));
}

// Labels drawn from softmax(logits), and then the logits made three times as sure.
Answers overconfident() {
  Random random(11);
  Answers made;
  made.classes = 4;
  for (int i = 0; i < 4000; ++i) {
    std::vector<double> logits(4);
    double sum = 0;
    for (double& logit : logits) {
      logit = static_cast<double>(random.below(1000)) / 300;
      sum += std::exp(logit);
    }
    double left = static_cast<double>(random.below(1'000'000)) / 1e6 * sum;
    std::uint32_t label = 0;
    while (label < 3 && (left -= std::exp(logits[label])) > 0) ++label;
    made.labels.push_back(label);
    for (const double logit : logits) made.logits.push_back(static_cast<float>(3 * logit));
  }
  return made;
}

TEST(Temperature, UndoesOverconfidence) {
  const Answers made = overconfident();
  const double temperature = fit_temperature(made);
  EXPECT_NEAR(temperature, 3, 0.25);
  EXPECT_LT(cross_entropy(made, temperature), cross_entropy(made, 1));
  EXPECT_LE(cross_entropy(made, temperature), cross_entropy(made, temperature * 1.05));
  EXPECT_LE(cross_entropy(made, temperature), cross_entropy(made, temperature / 1.05));
  EXPECT_GT(calibration_error(made, 1), 0.15);
  EXPECT_LT(calibration_error(made, temperature), 0.03);
}

TEST(Temperature, CrossEntropyOfAnEvenGuessIsTheLogarithm) {
  EXPECT_NEAR(cross_entropy(answers(4, {{{1, 1, 1, 1}, 2}}), 1), std::log(4.0), 1e-9);
}

TEST(Threshold, IsTheLeastScoreFromWhichAnswersAreRightOftenEnough) {
  // Scores of about 0.95 are right, those of about 0.73 every second time, those of 0.5 never.
  std::vector<std::pair<std::vector<float>, std::uint32_t>> rows;
  for (std::uint32_t i = 0; i < 10; ++i) {
    rows.push_back({{3, 0}, 0});
    rows.push_back({{1, 0}, i % 2});
    rows.push_back({{0.01F, 0}, 1});
  }
  const Answers made = answers(2, rows);
  const Threshold sure = choose_threshold(made, 1, 0.99);
  EXPECT_GE(sure.score, 0.74);
  EXPECT_LE(sure.score, 0.95);
  EXPECT_NEAR(sure.answered, 1.0 / 3, 1e-9);
  EXPECT_DOUBLE_EQ(sure.right, 1);
  const Threshold easy = choose_threshold(made, 1, 0.75);
  EXPECT_GT(easy.score, 0.5);
  EXPECT_LE(easy.score, 0.73);
  EXPECT_NEAR(easy.right, 0.75, 1e-9);
  EXPECT_DOUBLE_EQ(choose_threshold(answers(2, {{{1, 0}, 1}}), 1, 0.5).score, 0.99) << "none";
  const Threshold measured = part_above(made, 1, sure.score);
  EXPECT_NEAR(measured.answered, sure.answered, 1e-9);
  EXPECT_DOUBLE_EQ(measured.right, 1);
}

}  // namespace
}  // namespace imgrec::training
