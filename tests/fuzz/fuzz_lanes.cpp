// Streams over lanes: any bytes on any lane, and a good stream cut, copied and shuffled.
// Input: a byte that says which, then pairs of bytes that decide, or what comes over the lanes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proto/chunk.h"
#include "tests/fuzz/byte_source.h"

namespace {

using namespace imgrec;
using imgrec::fuzz::require;

// Each slice goes to the lane that its first byte names; what is handed on never has a gap.
void any_bytes(fuzz::ByteSource& input) {
  std::vector<proto::ChunkReader> lanes(4);
  proto::Reassembly stream;
  std::uint64_t taken = 0;
  while (!input.rest().empty()) {
    const std::uint8_t lane = input.byte();
    const std::size_t length = std::min<std::size_t>(input.rest().size(), input.byte());
    lanes[lane % 4].feed(input.rest().substr(0, length));
    for (std::size_t i = 0; i < length; ++i) input.byte();
    for (;;) {
      auto chunk = lanes[lane % 4].next();
      if (!chunk.ok()) return;
      if (!*chunk) break;
      require(!(*chunk)->bytes.empty() && (*chunk)->bytes.size() <= proto::kMaxChunkBytes);
      if (!stream.add(std::move(**chunk)).ok()) return;
    }
    taken += stream.take().size();
    require(stream.position() == taken);
  }
}

void good_stream(fuzz::ByteSource& input) {
  std::string text;
  std::vector<proto::Chunk> chunks;
  while (text.size() < 2000) {
    const std::string bytes(1 + input.byte(), static_cast<char>('a' + chunks.size() % 26));
    chunks.push_back({text.size(), bytes});
    text += bytes;
  }
  proto::Reassembly stream;
  std::string received;
  const auto give = [&](const proto::Chunk& chunk) {
    require(stream.add(chunk).ok());
    received += stream.take();
    require(stream.waiting_bytes() + received.size() <= text.size());
  };
  while (!input.rest().empty()) give(chunks[input.byte() % chunks.size()]);
  for (const auto& chunk : chunks) give(chunk);
  require(received == text && stream.waiting_bytes() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::ByteSource input(data, size);
  if (input.byte() % 2 == 0) {
    any_bytes(input);
  } else {
    good_stream(input);
  }
  return 0;
}
