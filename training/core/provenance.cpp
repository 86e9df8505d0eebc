#include "training/core/provenance.h"

#include <array>
#include <cstdio>
#include <tuple>

namespace imgrec::training {
namespace {

std::string pictures_of(const Provenance& p) {
  return std::to_string(p.pictures) + " pictures of " + std::to_string(p.size) + " pixels";
}

std::string settings_of(const Provenance& p) {
  std::array<char, 32> rate{};
  std::snprintf(rate.data(), rate.size(), "%g", p.rate);
  return "a network of width " + std::to_string(p.width) + ", batches of " +
         std::to_string(p.batch) + ", rate " + rate.data() + ", seed " + std::to_string(p.seed);
}

std::string names_of(const std::vector<std::string>& classes) {
  constexpr std::size_t kShown = 20;
  std::string names;
  for (std::size_t i = 0; i < classes.size() && i < kShown; ++i) {
    names += (i == 0 ? "" : ", ") + classes[i];
  }
  if (classes.size() > kShown) names += " and " + std::to_string(classes.size() - kShown) + " more";
  return names;
}

std::string differ(const std::string& theirs, const std::string& ours) {
  return "is of a training with " + theirs + "; this one has " + ours;
}

}  // namespace

std::string why_not_together(const Provenance& theirs, const Provenance& ours) {
  if (theirs.classes != ours.classes) {
    return "was trained on other classes: " + names_of(theirs.classes) + "; this training has " +
           names_of(ours.classes);
  }
  if (std::tie(theirs.pictures, theirs.size) != std::tie(ours.pictures, ours.size)) {
    return differ(pictures_of(theirs), pictures_of(ours));
  }
  if (theirs.digest != ours.digest) return "was trained on other pictures, or held others out";
  return {};
}

std::string why_not_go_on(const Provenance& theirs, const Provenance& ours) {
  if (std::string why = why_not_together(theirs, ours); !why.empty()) return why;
  const auto settings = [](const Provenance& p) {
    return std::tie(p.width, p.batch, p.rate, p.seed);
  };
  if (settings(theirs) == settings(ours)) return {};
  return differ(settings_of(theirs), settings_of(ours));
}

}  // namespace imgrec::training
