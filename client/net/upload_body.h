// The bytes of a file, to be sent piece by piece: as often as needed, never all in memory.
//
// Thread rule: confined to one thread. Reading blocks on the disk, not on the network.
// Owns: an open file, or the bytes of what cannot be read twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "proto/status.h"

namespace imgrec::client {

class UploadBody {
 public:
  virtual ~UploadBody() = default;
  virtual std::uint64_t size() const = 0;
  // Up to `capacity` bytes from `offset`; 0 at the end, which comes early where a file was cut.
  virtual Result<std::size_t> read(std::uint64_t offset, char* to, std::size_t capacity) = 0;
};

// A regular file that is not empty; else a status that says in words why it cannot be sent:
// kFailedPrecondition where it is empty.
Result<std::shared_ptr<UploadBody>> open_file_body(const std::string& path);

std::shared_ptr<UploadBody> text_body(std::string bytes);

}  // namespace imgrec::client
