#include "models/app/new_folder.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

namespace imgrec::models {
namespace {

namespace fs = std::filesystem;

Status io_error(const std::string& what, const fs::path& path) {
  return {StatusCode::kInternal, what + " " + path.string() + ": " + std::strerror(errno)};
}

Status sync(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return io_error("cannot open", path);
  const bool good = ::fsync(descriptor) == 0;
  const Status status = good ? Status() : io_error("cannot sync", path);
  ::close(descriptor);
  return status;
}

}  // namespace

NewFolder::NewFolder(fs::path place, fs::path temporary)
    : place_(std::move(place)), temporary_(std::move(temporary)) {}

NewFolder::NewFolder(NewFolder&& other) noexcept
    : place_(std::move(other.place_)), temporary_(std::exchange(other.temporary_, {})) {}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

Result<NewFolder> NewFolder::create(const fs::path& place, bool replace) {
  std::error_code error;
  fs::path full = fs::absolute(place, error).lexically_normal();
  if (!full.has_filename()) full = full.parent_path();  // "models/googlenet/"
  const fs::file_status there = fs::symlink_status(full, error);
  if (fs::is_symlink(there)) {
    return Status(StatusCode::kAlreadyExists, full.string() + " is a link; name a folder");
  }
  if (fs::exists(there)) {
    if (!replace) {
      return Status(StatusCode::kAlreadyExists,
                    full.string() + " exists; give another --out, or --force to replace it");
    }
    const bool ours = fs::is_directory(there) &&
                      (fs::exists(full / worker::kSpecFile, error) || fs::is_empty(full, error));
    if (!ours) {
      return Status(StatusCode::kAlreadyExists,
                    full.string() + " exists and is no model folder; it is not replaced");
    }
  }
  fs::create_directories(full.parent_path(), error);
  if (error) {
    return Status(StatusCode::kInvalidArgument,
                  "cannot make " + full.parent_path().string() + ": " + error.message());
  }
  std::string pattern =
      (full.parent_path() / ("." + full.filename().string() + ".XXXXXX")).string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return io_error("cannot make a directory in", full.parent_path());
  }
  NewFolder folder(std::move(full), pattern);
  // mkdtemp makes it private; a model is no secret, and the worker may run as somebody else.
  fs::permissions(pattern, fs::perms(0755), error);
  return folder;
}

Status NewFolder::write(const char* name, const std::string& text) const {
  const fs::path file = temporary_ / name;
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  stream.close();
  return stream ? Status() : io_error("cannot write", file);
}

Status NewFolder::describe(const std::vector<std::string>& labels, worker::ModelSpec spec) const {
  std::string lines;
  for (const std::string& label : labels) lines += label + "\n";
  if (Status status = write(worker::kLabelsFile, lines); !status.ok()) return status;
  Result<std::string> sum = worker::sha256_hex_of_file(temporary_ / worker::kModuleFile);
  if (!sum) return sum.status();
  spec.model_sha256 = *std::move(sum);
  spec.labels_sha256 = worker::sha256_hex(lines);
  return write(worker::kSpecFile, worker::format_model_spec(spec));
}

Status NewFolder::commit() {
  for (const auto& entry : fs::directory_iterator(temporary_)) {
    if (Status status = sync(entry.path()); !status.ok()) return status;
  }
  if (Status status = sync(temporary_); !status.ok()) return status;
  std::error_code error;
  if (fs::exists(place_, error)) {
    // Afterwards the temporary name holds the old folder, and the destructor removes that.
    if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, place_.c_str(), RENAME_EXCHANGE) != 0) {
      return io_error("cannot replace", place_);
    }
    return {};
  }
  if (::rename(temporary_.c_str(), place_.c_str()) != 0) return io_error("cannot make", place_);
  temporary_.clear();
  return sync(place_.parent_path());
}

}  // namespace imgrec::models
