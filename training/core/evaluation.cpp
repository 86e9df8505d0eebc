#include "training/core/evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace imgrec::training {
namespace {

struct Verdict {
  std::size_t said = 0;
  double score = 0;
};

// Not the logarithms of probabilities(): those may be too small for a double.
std::vector<double> log_probabilities(const float* row, std::size_t classes, double temperature) {
  const double best = *std::max_element(row, row + classes);
  double sum = 0;
  for (std::size_t c = 0; c < classes; ++c) sum += std::exp((row[c] - best) / temperature);
  std::vector<double> logs(classes);
  for (std::size_t c = 0; c < classes; ++c) logs[c] = (row[c] - best) / temperature - std::log(sum);
  return logs;
}

Verdict verdict(const float* row, std::size_t classes, double temperature) {
  const std::vector<double> scores = probabilities(row, classes, temperature);
  const auto best = std::max_element(scores.begin(), scores.end());
  return {static_cast<std::size_t>(best - scores.begin()), *best};
}

// Characters of UTF-8: bytes that go on with one do not count.
std::size_t length(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t taken = length(text);
  return taken >= width ? text : text + std::string(width - taken, ' ');
}

std::string right_aligned(const std::string& text, std::size_t width) {
  return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
}

std::string percent(double part) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%.1f", part * 100);
  return text.data();
}

}  // namespace

std::vector<double> probabilities(const float* row, std::size_t classes, double temperature) {
  std::vector<double> scores = log_probabilities(row, classes, temperature);
  for (double& score : scores) score = std::exp(score);
  return scores;
}

Confusion::Confusion(const Answers& answers)
    : classes_(answers.classes), counts_(answers.classes * answers.classes) {
  for (std::size_t i = 0; i < answers.count(); ++i) {
    ++counts_[answers.labels[i] * classes_ + verdict(answers.row(i), classes_, 1).said];
  }
}

double Confusion::accuracy() const {
  std::size_t right = 0;
  for (std::size_t c = 0; c < classes_; ++c) right += at(c, c);
  const auto all = std::accumulate(counts_.begin(), counts_.end(), std::size_t{0});
  return all == 0 ? 0 : static_cast<double>(right) / static_cast<double>(all);
}

std::size_t Confusion::all_of(std::size_t truth) const {
  std::size_t all = 0;
  for (std::size_t said = 0; said < classes_; ++said) all += at(truth, said);
  return all;
}

std::size_t Confusion::all_said(std::size_t said) const {
  std::size_t all = 0;
  for (std::size_t truth = 0; truth < classes_; ++truth) all += at(truth, said);
  return all;
}

double Confusion::recall(std::size_t truth) const {
  const std::size_t all = all_of(truth);
  return all == 0 ? 0 : static_cast<double>(at(truth, truth)) / static_cast<double>(all);
}

double Confusion::precision(std::size_t said) const {
  const std::size_t all = all_said(said);
  return all == 0 ? 0 : static_cast<double>(at(said, said)) / static_cast<double>(all);
}

std::string Confusion::table(const std::vector<std::string>& names) const {
  std::size_t widest = 12;
  for (const auto& name : names) widest = std::max(widest, length(name));
  std::string text = padded("is / said", widest);
  for (std::size_t c = 0; c < classes_; ++c) text += right_aligned(std::to_string(c), 6);
  text += "  recall\n";
  for (std::size_t truth = 0; truth < classes_; ++truth) {
    text += padded(names[truth], widest);
    for (std::size_t said = 0; said < classes_; ++said) {
      text += right_aligned(std::to_string(at(truth, said)), 6);
    }
    text += right_aligned(all_of(truth) == 0 ? "-" : percent(recall(truth)), 8) + "\n";
  }
  text += padded("precision", widest);
  for (std::size_t c = 0; c < classes_; ++c)
    text += right_aligned(all_said(c) == 0 ? "-" : percent(precision(c)), 6);
  return text + "\n";
}

double cross_entropy(const Answers& answers, double temperature) {
  double sum = 0;
  for (std::size_t i = 0; i < answers.count(); ++i) {
    sum -= log_probabilities(answers.row(i), answers.classes, temperature)[answers.labels[i]];
  }
  return answers.count() == 0 ? 0 : sum / static_cast<double>(answers.count());
}

// Cross-entropy has one minimum in the temperature (it is convex in 1/T): golden section on log T.
double fit_temperature(const Answers& answers) {
  constexpr double kGolden = 0.6180339887498949;
  double low = std::log(0.05);
  double high = std::log(20.0);
  double left = high - kGolden * (high - low);
  double right = low + kGolden * (high - low);
  double at_left = cross_entropy(answers, std::exp(left));
  double at_right = cross_entropy(answers, std::exp(right));
  while (high - low > 1e-4) {
    if (at_left < at_right) {
      high = right;
      right = left;
      at_right = at_left;
      left = high - kGolden * (high - low);
      at_left = cross_entropy(answers, std::exp(left));
    } else {
      low = left;
      left = right;
      at_left = at_right;
      right = low + kGolden * (high - low);
      at_right = cross_entropy(answers, std::exp(right));
    }
  }
  return std::exp((low + high) / 2);
}

double calibration_error(const Answers& answers, double temperature) {
  constexpr std::size_t kBins = 10;
  std::array<double, kBins> promised{};
  std::array<double, kBins> kept{};
  for (std::size_t i = 0; i < answers.count(); ++i) {
    const Verdict v = verdict(answers.row(i), answers.classes, temperature);
    const auto bin = std::min(kBins - 1, static_cast<std::size_t>(v.score * kBins));
    promised[bin] += v.score;
    kept[bin] += v.said == answers.labels[i] ? 1 : 0;
  }
  double error = 0;
  for (std::size_t bin = 0; bin < kBins; ++bin) error += std::abs(promised[bin] - kept[bin]);
  return answers.count() == 0 ? 0 : error / static_cast<double>(answers.count());
}

Threshold choose_threshold(const Answers& answers, double temperature, double wanted) {
  constexpr int kSteps = 100;
  std::array<std::size_t, kSteps> all{};
  std::array<std::size_t, kSteps> right{};
  for (std::size_t i = 0; i < answers.count(); ++i) {
    const Verdict v = verdict(answers.row(i), answers.classes, temperature);
    const auto step = std::min<std::size_t>(kSteps - 1, static_cast<std::size_t>(v.score * kSteps));
    ++all[step];
    right[step] += v.said == answers.labels[i] ? 1 : 0;
  }
  Threshold best{0.99, 0, 0};
  std::size_t answered = 0;
  std::size_t good = 0;
  for (int step = kSteps - 1; step >= 0; --step) {
    answered += all[static_cast<std::size_t>(step)];
    good += right[static_cast<std::size_t>(step)];
    if (answered == 0) continue;
    const double part = static_cast<double>(good) / static_cast<double>(answered);
    if (part < wanted) continue;
    best = {step / static_cast<double>(kSteps),
            static_cast<double>(answered) / static_cast<double>(answers.count()), part};
  }
  return best;
}

Threshold part_above(const Answers& answers, double temperature, double score) {
  std::size_t answered = 0;
  std::size_t right = 0;
  for (std::size_t i = 0; i < answers.count(); ++i) {
    const Verdict v = verdict(answers.row(i), answers.classes, temperature);
    if (v.score < score) continue;
    ++answered;
    right += v.said == answers.labels[i] ? 1 : 0;
  }
  const auto part = [](std::size_t of, std::size_t all) {
    return all == 0 ? 0 : static_cast<double>(of) / static_cast<double>(all);
  };
  return {score, part(answered, answers.count()), part(right, answered)};
}

}  // namespace imgrec::training
