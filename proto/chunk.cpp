#include "proto/chunk.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "proto/wire.h"

namespace imgrec::proto {

std::array<char, kChunkHeaderBytes> chunk_header(std::uint64_t position, std::uint32_t length) {
  std::array<char, kChunkHeaderBytes> header{};
  store_big_endian(position, header.data());
  store_big_endian(length, header.data() + sizeof position);
  return header;
}

Result<std::optional<Chunk>> ChunkReader::next() {
  if (buffer_.size() < kChunkHeaderBytes) return std::optional<Chunk>();
  const auto position = load_big_endian<std::uint64_t>(buffer_.data());
  const auto length = load_big_endian<std::uint32_t>(buffer_.data() + sizeof position);
  if (length == 0 || length > kMaxChunkBytes) {
    return Status(StatusCode::kInvalidArgument,
                  "a chunk of " + std::to_string(length) + " bytes on a lane");
  }
  if (position > std::numeric_limits<std::uint64_t>::max() - length) {
    return Status(StatusCode::kInvalidArgument,
                  "a chunk on a lane, at " + std::to_string(position) + ", is too far");
  }
  if (buffer_.size() < kChunkHeaderBytes + length) return std::optional<Chunk>();
  Chunk chunk{position, buffer_.substr(kChunkHeaderBytes, length)};
  buffer_.erase(0, kChunkHeaderBytes + length);
  end_ = std::max(end_, position + length);
  return std::optional<Chunk>(std::move(chunk));
}

Status Reassembly::add(Chunk chunk) {
  const std::uint64_t end = chunk.position + chunk.bytes.size();
  if (end <= position_) return {};  // a copy, and the other one was quicker
  const auto behind = waiting_.lower_bound(chunk.position);
  bool overlaps = chunk.position < position_;
  if (behind != waiting_.end() && behind->first < end) {
    if (behind->first == chunk.position && behind->second.size() == chunk.bytes.size()) return {};
    overlaps = true;
  }
  if (behind != waiting_.begin()) {
    const auto before = std::prev(behind);
    overlaps |= before->first + before->second.size() > chunk.position;
  }
  if (overlaps) {
    return Status(StatusCode::kInvalidArgument,
                  "a chunk at " + std::to_string(chunk.position) + " overlaps another one");
  }
  waiting_bytes_ += chunk.bytes.size();
  waiting_.emplace_hint(behind, chunk.position, std::move(chunk.bytes));
  return {};
}

std::string Reassembly::take() {
  std::string due;
  while (!waiting_.empty() && waiting_.begin()->first == position_) {
    auto first = waiting_.extract(waiting_.begin());
    position_ += first.mapped().size();
    waiting_bytes_ -= first.mapped().size();
    if (due.empty()) {
      due = std::move(first.mapped());
    } else {
      due += first.mapped();
    }
  }
  return due;
}

}  // namespace imgrec::proto
