// Which files are to be sent: those named, and the photos in the directories named.
//
// Thread rule: used at start, from one thread.
// Owns: paths; no file is opened.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace imgrec::client {

inline constexpr std::string_view kStandardInput = "-";

struct PhotoFile {
  std::string path;  // as people know it
  std::uint64_t bytes = 0;
  std::string problem;  // why it cannot be sent; empty: it can be tried
};

// In the order given, what is in a directory by name. A path that names nothing, and a directory
// that cannot be read or holds no photo, are in the list with their problem.
std::vector<PhotoFile> find_photos(const std::vector<std::string>& paths);

// By its ending: .jpg, .jpeg, .png, .webp, .bmp, .tif, .tiff, in whatever case.
bool is_photo_name(std::string_view name);

}  // namespace imgrec::client
