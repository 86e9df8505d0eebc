// What a trained network is worth: its answers on pictures it has not seen, counted; and how to
// make its scores mean what they say.
//
// Thread rule: pure functions over plain values. Owns: its counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace imgrec::training {

// What the network said of pictures whose class is known: logits, row by row.
struct Answers {
  std::size_t classes = 0;
  std::vector<float> logits;          // count x classes
  std::vector<std::uint32_t> labels;  // count

  std::size_t count() const { return labels.size(); }
  const float* row(std::size_t i) const { return logits.data() + i * classes; }
};

// softmax(row / temperature).
std::vector<double> probabilities(const float* row, std::size_t classes, double temperature);

class Confusion {
 public:
  explicit Confusion(const Answers& answers);

  std::size_t at(std::size_t truth, std::size_t said) const {
    return counts_[truth * classes_ + said];
  }
  double accuracy() const;                   // 0…1; 0 of no pictures
  double recall(std::size_t truth) const;    // of a class's pictures, the part that is named so
  double precision(std::size_t said) const;  // of those named so, the part that is right

  // As text: a table with a row for each class, what they were taken for, and both figures: "-"
  // where there is nothing to count.
  std::string table(const std::vector<std::string>& names) const;

 private:
  std::size_t all_of(std::size_t truth) const;
  std::size_t all_said(std::size_t said) const;

  std::size_t classes_;
  std::vector<std::size_t> counts_;
};

// The T for which softmax(logits / T) of these answers has the least cross-entropy: Guo et al., "On
// Calibration of Modern Neural Networks" (2017). Within 0.05…20. REQUIRES: at least one answer.
double fit_temperature(const Answers& answers);

// The mean cross-entropy of softmax(logits / temperature), in nats.
double cross_entropy(const Answers& answers, double temperature);

// The mean distance between what is promised and what is kept, over ten bins of confidence
// (expected calibration error).
double calibration_error(const Answers& answers, double temperature);

// The least score from which on answers are right at least as often as `wanted` (0…1), in
// hundredths; 0.99 where there is none. How many answers reach it is `answered`.
struct Threshold {
  double score = 0;
  double answered = 0;  // part of all
  double right = 0;     // of those
};
Threshold choose_threshold(const Answers& answers, double temperature, double wanted);

// What a threshold that was chosen elsewhere does with these answers.
Threshold part_above(const Answers& answers, double temperature, double score);

}  // namespace imgrec::training
