// Finds files below a folder, and reads them: what cannot be had is told and left out, and ends
// nothing.
//
// Thread rule: functions over files. Owns: nothing.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "proto/status.h"

namespace imgrec::training {

struct LeftOut {
  std::filesystem::path path;
  std::string why;
};

struct FoundFiles {
  std::vector<std::filesystem::path> files;  // sorted
  std::vector<LeftOut> left_out;
};

// Its name begins with a dot. Such files and folders are meant for nobody, and are not told of.
bool hidden(const std::filesystem::path& path);

// `folder` may be a link to a folder. A link below it is followed to a file, not to a folder.
FoundFiles files_below(const std::filesystem::path& folder);

// kNotFound: it cannot be opened or read; the message is why, without the name.
Result<std::string> read_whole_file(const std::filesystem::path& file);

}  // namespace imgrec::training
