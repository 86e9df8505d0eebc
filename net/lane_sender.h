// Sends a stream over several connections at once (proto/PROTOCOL.md, Lanes), for ways on which one
// alone would carry next to nothing.
//
// A lane is given the next piece of the stream when it has sent all of the one before: those that
// wait for an acknowledgement hold up nothing but what they have, and that is sent over others too
// (lane_ledger.h).
//
// Thread rule: confined to its io_context's one thread.
// Owns: the lanes, and what is under way on them, at most 1 MiB each. Held by shared_ptr; pending
// operations hold it too. Handlers come on the io_context.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/lane_ledger.h"
#include "net/stream.h"

namespace imgrec::net {

class LaneSender : public std::enable_shared_from_this<LaneSender> {
 public:
  // REQUIRES: `lanes` are connected, secured, at least one, and nothing is under way on them.
  explicit LaneSender(std::vector<std::shared_ptr<Stream>> lanes);

  // As Stream::write: one at a time, and the bytes must live until the handler comes. An error is
  // that of the first lane that breaks, also of one that broke before; then nothing more is sent.
  void write(const std::vector<boost::asio::const_buffer>& buffers, Stream::IoHandler handler);

  // The least round trip of the way: what is not acknowledged in two of them is late.
  void follow(std::chrono::microseconds round_trip);

  // When all is acknowledged.
  void shut_down_sending();
  // Ends a write under way with operation_aborted, and every other.
  void close();

 private:
  struct Lane {
    std::shared_ptr<Stream> stream;
    bool busy = false;  // waits for room, or writes
  };

  void offer();
  void fill(std::size_t lane);
  LaneLedger::Piece next_piece();
  void skip_what_is_taken();
  void send(std::size_t lane, const LaneLedger::Piece& piece);
  void look_again_soon();
  void shut_down_if_idle();
  void read_acknowledgements();
  void ended(std::size_t bytes);
  void broke(const Stream::ErrorCode& error);
  bool all_taken() const { return next_ == buffers_.size(); }

  std::vector<Lane> lanes_;
  LaneLedger ledger_;
  boost::asio::steady_timer timer_;
  bool looking_ = false;
  bool shutting_down_ = false;
  std::vector<boost::asio::const_buffer> buffers_;  // of the write under way
  std::size_t next_ = 0;                            // of these: from here on not taken yet
  std::size_t bytes_ = 0;                           // of the write
  std::uint64_t position_ = 0;                      // in the stream
  // Holds the handler of the write under way, which may hold who holds us: where the io_context
  // ends first, all of it goes with the operations that are left.
  boost::asio::steady_timer end_;
  bool writing_ = false;
  Stream::ErrorCode error_;  // of the write that ended
  std::size_t sent_ = 0;     // the same
  Stream::ErrorCode broken_;
};

}  // namespace imgrec::net
