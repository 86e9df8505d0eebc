#include "models/app/folder_match.h"

#include <optional>

namespace imgrec::models {
namespace {

std::string first_word(const std::string& label) { return label.substr(0, label.find(' ')); }

// The classes of each name.
using Index = std::map<std::string, std::vector<std::uint32_t>>;

std::optional<std::uint32_t> only_one(const Index& index, const std::string& name) {
  const auto found = index.find(name);
  if (found == index.end() || found->second.size() != 1) return std::nullopt;
  return found->second.front();
}

}  // namespace

FolderMatch match_folders(const std::vector<std::string>& labels,
                          const std::vector<std::string>& folders) {
  Index by_label;
  Index by_first_word;
  for (std::uint32_t label = 0; label < labels.size(); ++label) {
    by_label[labels[label]].push_back(label);
    by_first_word[first_word(labels[label])].push_back(label);
  }
  FolderMatch match;
  for (const std::string& folder : folders) {
    if (const auto label = only_one(by_label, folder)) match.folder_of[*label] = folder;
  }
  for (const std::string& folder : folders) {
    if (only_one(by_label, folder)) continue;
    const auto label = only_one(by_first_word, folder);
    if (!label || !match.folder_of.emplace(*label, folder).second) match.strange.push_back(folder);
  }
  for (std::uint32_t label = 0; label < labels.size(); ++label) {
    if (!match.folder_of.contains(label)) match.without.push_back(label);
  }
  return match;
}

}  // namespace imgrec::models
