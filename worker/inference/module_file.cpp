#include "worker/inference/module_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <system_error>

namespace imgrec::worker {

Result<ModuleFile> read_module_file(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) {
    return Status(StatusCode::kNotFound, "cannot open " + path.string() + ": " + error.message());
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return Status(StatusCode::kNotFound,
                  "cannot open " + path.string() + ": " + std::strerror(errno));
  }
  try {
    ModuleFile file{path, std::string(size, '\0')};
    stream.read(file.bytes.data(), static_cast<std::streamsize>(size));
    if (static_cast<std::uintmax_t>(stream.gcount()) == size) return file;
    return Status(StatusCode::kDataLoss, "cannot read " + path.string() + " to its end");
  } catch (const std::exception&) {  // std::bad_alloc, or std::length_error
    return Status(StatusCode::kResourceExhausted,
                  "no memory for the " + std::to_string(size) + " bytes of " + path.string());
  }
}

}  // namespace imgrec::worker
