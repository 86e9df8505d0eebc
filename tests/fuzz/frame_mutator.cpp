// libFuzzer's mutations, after which most frames get right sums again: without this hardly any
// mutated input would come past the CRC-32C. Linked into the libFuzzer programs only.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/crc32c.h"
#include "proto/frame.h"
#include "proto/wire.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using namespace imgrec;

// From each magic on: the length (where it goes past the end) and both sums. Frames that follow
// each other are found one after the other.
void mend_frames(char* data, std::size_t size) {
  std::size_t at = 0;
  while (at + proto::kHeaderBytes <= size) {
    char* const header = data + at;
    if (proto::load_big_endian<std::uint32_t>(header) != proto::kMagic) {
      ++at;
      continue;
    }
    const std::size_t room = size - at - proto::kHeaderBytes;
    std::size_t payload = proto::load_big_endian<std::uint32_t>(header + 8);
    if (payload > room) {
      payload = room;
      proto::store_big_endian(static_cast<std::uint32_t>(payload), header + 8);
    }
    const std::string_view bytes(header + proto::kHeaderBytes, payload);
    proto::store_big_endian(proto::crc32c(bytes), header + 12);
    proto::store_big_endian(proto::crc32c({header, 24}), header + 24);
    at += proto::kHeaderBytes + payload;
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  const std::size_t mutated = LLVMFuzzerMutate(data, size, max_size);
  // One in sixteen stays broken, so that the sums themselves are tested too.
  if (seed % 16 != 0) mend_frames(reinterpret_cast<char*>(data), mutated);
  return mutated;
}
