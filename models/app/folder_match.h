// Which folder of photos is of which class of a model.
//
// Thread rule: pure function. Owns: its values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace imgrec::models {

struct FolderMatch {
  std::map<std::uint32_t, std::string> folder_of;  // a class's number, as far as there is one
  std::vector<std::string> strange;                // folders of no class, or of one of several
  std::vector<std::uint32_t> without;              // classes without a folder
};

// A folder is named as a class's label, or as its first word where no other label begins with that
// and no folder has the label's own name. No folder is of two classes. Keeps the folders' order.
FolderMatch match_folders(const std::vector<std::string>& labels,
                          const std::vector<std::string>& folders);

}  // namespace imgrec::models
