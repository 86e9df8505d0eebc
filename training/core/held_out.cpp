#include "training/core/held_out.h"

namespace imgrec::training {

std::string why_nothing_can_be_said(const Split& split) {
  if (!split.held_out.empty()) return {};
  return "no class has two pictures, so that one could be held out to tell how good the network is "
         "and what its scores mean: add some";
}

std::vector<std::string> doubts_about(const Photos& photos, const Split& split) {
  std::vector<std::string> doubts;
  constexpr std::size_t kFewest = 100;
  if (split.held_out.size() < kFewest) {
    doubts.push_back("of fewer than " + std::to_string(kFewest) +
                     " held-out pictures, the temperature and the score below which an answer is "
                     "unsure mean little");
  }
  std::vector<bool> there(photos.classes.size());
  for (const std::size_t i : split.held_out) there[photos.labels[i]] = true;
  std::string names;
  constexpr std::size_t kShown = 10;
  std::size_t without = 0;
  for (std::size_t c = 0; c < there.size(); ++c) {
    if (there[c] || ++without > kShown) continue;
    names += (names.empty() ? "" : ", ") + photos.classes[c];
  }
  if (without > kShown) names += " and " + std::to_string(without - kShown) + " more";
  if (without > 0) doubts.push_back("nothing is held out of classes with one picture: " + names);
  return doubts;
}

}  // namespace imgrec::training
