// Receives a stream that comes over several connections at once: the other end of a LaneSender.
//
// Bytes that cannot be handed on yet are bounded: a lane that has what is due later than 4 MiB of
// them is not read until what is missing is there.
//
// Thread rule: confined to its io_context's one thread.
// Owns: the lanes, and what came too early. Held by shared_ptr; pending operations hold it too.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/stream.h"
#include "proto/chunk.h"
#include "proto/status.h"

namespace imgrec::net {

class LaneReceiver : public std::enable_shared_from_this<LaneReceiver> {
 public:
  // What is due; nothing where what came is not.
  using BytesHandler = std::function<void(std::string_view)>;
  // OK: all lanes have ended, and nothing is missing. Else a lane broke, or breaks the protocol.
  using EndHandler = std::function<void(const Status&)>;

  // `surplus`: how many of them may not be lanes, and break before they have brought anything.
  // REQUIRES: as for LaneSender.
  explicit LaneReceiver(std::vector<std::shared_ptr<Stream>> lanes, std::size_t surplus = 0);

  // The handlers are called until `on_end` was, or close(); both are let go of then.
  void start(BytesHandler on_bytes, EndHandler on_end);
  void close();

 private:
  struct Lane {
    std::shared_ptr<Stream> stream;
    std::string buffer;
    proto::ChunkReader chunks{};
    bool begun = false;
    bool reading = false;
    bool ended = false;
  };

  bool may_read(const Lane& lane) const;
  void read();
  void on_read(std::size_t lane, const Stream::ErrorCode& error, std::size_t bytes);
  Status take_in(Lane& lane, std::string_view bytes);
  void end(const Status& why);

  std::vector<Lane> lanes_;
  std::size_t surplus_;
  proto::Reassembly stream_;
  BytesHandler on_bytes_;
  EndHandler on_end_;
};

}  // namespace imgrec::net
