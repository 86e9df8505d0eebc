// A TorchScript file as bytes, read once: what was checked against its sum is what runs, whatever
// becomes of the file meanwhile.
//
// Thread rule: plain value.
// Owns: the bytes.
#pragma once

#include <filesystem>
#include <string>

#include "proto/status.h"

namespace imgrec::worker {

struct ModuleFile {
  std::filesystem::path path;  // for messages
  std::string bytes;
};

// kNotFound: it cannot be opened; kDataLoss: it cannot be read to its end; kResourceExhausted:
// there is no memory for it.
Result<ModuleFile> read_module_file(const std::filesystem::path& path);

}  // namespace imgrec::worker
