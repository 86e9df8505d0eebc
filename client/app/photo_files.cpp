#include "client/app/photo_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

namespace imgrec::client {
namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 7> kEndings{".jpg", ".jpeg", ".png", ".webp",
                                                   ".bmp", ".tif",  ".tiff"};

std::uint64_t size_of(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

// Links to directories are not followed: they may lead back.
void search(const fs::path& directory, std::vector<PhotoFile>& found) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (!it->path().filename().string().starts_with('.')) entries.push_back(*it);
  }
  if (error) {
    found.push_back({directory.string(), 0, "the directory cannot be read: " + error.message()});
    return;
  }
  std::sort(entries.begin(), entries.end());
  for (const auto& entry : entries) {
    const bool is_directory = entry.is_directory(error) && !entry.is_symlink(error);
    if (is_directory) {
      search(entry.path(), found);
    } else if (is_photo_name(entry.path().filename().string()) && !entry.is_directory(error)) {
      found.push_back({entry.path().string(), size_of(entry.path()), {}});
    }
  }
}

}  // namespace

bool is_photo_name(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == name.npos) return false;
  std::string ending(name.substr(dot));
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

std::vector<PhotoFile> find_photos(const std::vector<std::string>& paths) {
  std::vector<PhotoFile> found;
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    const std::size_t before = found.size();
    if (path == kStandardInput) {
      found.push_back({path, 0, {}});
    } else if (!fs::exists(status)) {
      const bool missing = status.type() == fs::file_type::not_found;
      found.push_back(
          {path, 0, missing ? "there is no such file" : "it cannot be read: " + error.message()});
    } else if (fs::is_directory(status)) {
      search(path, found);
      if (found.size() == before) {
        found.push_back({path, 0, "the directory holds no file with the ending of a photo"});
      }
    } else {
      found.push_back({path, size_of(path), {}});
    }
  }
  return found;
}

}  // namespace imgrec::client
