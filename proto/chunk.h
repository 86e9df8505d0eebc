// A stream that comes over several lanes: cut into chunks, and put together again. PROTOCOL.md,
// Lanes, has the layout.
//
// Thread rule: plain values; a reader and a reassembly are confined to one thread.
// Owns: bytes that are not whole or not due yet. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "proto/status.h"

namespace imgrec::proto {

inline constexpr std::size_t kChunkHeaderBytes = 12;
inline constexpr std::uint32_t kMaxChunkBytes = 64 * 1024;

struct Chunk {
  std::uint64_t position = 0;  // of its first byte in the stream
  std::string bytes;
};

std::array<char, kChunkHeaderBytes> chunk_header(std::uint64_t position, std::uint32_t length);

// The chunks of one lane, in any slicing.
class ChunkReader {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // nullopt: more bytes are needed. kInvalidArgument, which is final: a length that no chunk may
  // have, or a position beyond what 64 bits count.
  Result<std::optional<Chunk>> next();
  // Where the farthest chunk ended: what is still to come on this lane for the first time is behind
  // it.
  std::uint64_t position() const { return end_; }

 private:
  std::string buffer_;
  std::uint64_t end_ = 0;
};

class Reassembly {
 public:
  // A chunk that is there already is dropped. kInvalidArgument: it overlaps others otherwise.
  Status add(Chunk chunk);
  // What is due: all that follows what was taken before without a gap. May be empty.
  std::string take();

  std::uint64_t position() const { return position_; }  // of the next byte that is due
  // What these take up, with what it takes to keep them.
  std::size_t memory_bytes() const { return waiting_bytes_ + kEach * waiting_.size(); }
  std::size_t waiting_bytes() const { return waiting_bytes_; }  // there, and not due yet

 private:
  static constexpr std::size_t kEach = 128;  // a node of the map, and the allocators' share

  std::map<std::uint64_t, std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace imgrec::proto
