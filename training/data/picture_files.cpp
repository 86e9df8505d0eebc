#include "training/data/picture_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;

void look(const fs::directory_entry& entry, FoundFiles& found);

void look_into(const fs::path& folder, FoundFiles& found) {
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (!hidden(entry->path())) look(*entry, found);
  }
  if (error) found.left_out.push_back({folder, error.message()});
}

void look(const fs::directory_entry& entry, FoundFiles& found) {
  std::error_code error;
  const fs::file_type type = fs::status(entry.path(), error).type();
  const bool link = entry.is_symlink(error);
  if (type == fs::file_type::regular) {
    found.files.push_back(entry.path());
  } else if (type == fs::file_type::directory && !link) {
    look_into(entry.path(), found);
  } else if (type == fs::file_type::directory) {
    found.left_out.push_back({entry.path(), "a link to a folder, which is not followed"});
  } else {
    found.left_out.push_back({entry.path(), link ? "a link that leads to no file" : "no file"});
  }
}

}  // namespace

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

FoundFiles files_below(const fs::path& folder) {
  FoundFiles found;
  look_into(folder, found);
  std::sort(found.files.begin(), found.files.end());
  std::sort(found.left_out.begin(), found.left_out.end(),
            [](const LeftOut& a, const LeftOut& b) { return a.path < b.path; });
  return found;
}

Result<std::string> read_whole_file(const fs::path& file) {
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::string bytes;
  std::string block(1 << 16, '\0');
  while (stream) {
    stream.read(block.data(), static_cast<std::streamsize>(block.size()));
    bytes.append(block, 0, static_cast<std::size_t>(stream.gcount()));
  }
  if (stream.eof()) return bytes;
  return Status(StatusCode::kNotFound, errno == 0 ? "cannot be read" : std::strerror(errno));
}

}  // namespace imgrec::training
