#include "training/torch/files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;

Status cannot(const char* what, const fs::path& path, int error) {
  return {StatusCode::kInternal,
          std::string("cannot ") + what + " " + path.string() + ": " + std::strerror(error)};
}

// On the disk, not only in the kernel's memory. A directory: the names in it.
Status sync(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return cannot("open", path, errno);
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  return error == 0 ? Status() : cannot("sync", path, error);
}

}  // namespace

Status write_file(const std::string& bytes, const fs::path& file) {
  std::ofstream stream(file, std::ios::binary);
  stream << bytes;
  stream.close();
  return stream ? Status() : cannot("write", file, errno);
}

Status replace_file(const std::string& bytes, const fs::path& file) {
  fs::path beside = file;
  beside += ".new";
  Status status = write_file(bytes, beside);
  if (status.ok()) status = sync(beside);
  if (status.ok() && ::rename(beside.c_str(), file.c_str()) != 0) {
    status = cannot("write", file, errno);
  }
  if (!status.ok()) {
    std::error_code ignored;
    fs::remove(beside, ignored);
    return status;
  }
  return sync(file.has_parent_path() ? file.parent_path() : fs::path("."));
}

}  // namespace imgrec::training
