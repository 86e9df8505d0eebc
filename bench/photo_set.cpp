#include "bench/photo_set.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>

namespace imgrec::bench {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> read_reference(const fs::path& file) {
  std::map<std::string, std::string> best;
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  while (std::getline(stream, line)) {
    std::istringstream columns(line);
    std::string name;
    std::string first;
    if (columns >> name >> first) best[name] = first.substr(0, first.find(':'));
  }
  return best;
}

// "n01440764_tench.JPEG" names its class as ImageNet does.
std::string synset_of(const std::string& file) {
  const std::size_t end = file.find('_');
  const bool synset =
      end == 9 && file[0] == 'n' &&
      std::all_of(file.begin() + 1, file.begin() + 9, [](char c) { return c >= '0' && c <= '9'; });
  return synset ? file.substr(0, end) : "";
}

}  // namespace

Result<std::vector<Photo>> read_photos(const fs::path& directory, const fs::path& reference) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    return Status(StatusCode::kNotFound, "there is no directory " + directory.string());
  }
  const std::map<std::string, std::string> best = read_reference(reference);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string extension = entry.path().extension().string();
    if (entry.is_regular_file() && extension != ".tsv" && extension != ".md") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Photo> photos;
  for (const fs::path& file : files) {
    std::ifstream stream(file, std::ios::binary);
    const std::string name = file.filename().string();
    const auto found = best.find(name);
    photos.push_back({name, std::string(std::istreambuf_iterator<char>(stream), {}),
                      found == best.end() ? "" : found->second, synset_of(name)});
  }
  if (photos.empty()) {
    return Status(StatusCode::kNotFound, directory.string() + " holds no photos");
  }
  return photos;
}

}  // namespace imgrec::bench
