// What is under way on which lane, and what is worth sending again over another one: a piece whose
// lane waits for its timers holds up the whole stream, while other lanes have nothing to do. (MPTCP
// calls it opportunistic retransmission: Raiciu et al., "How Hard Can It Be? Designing and
// Implementing a Deployable Multipath TCP", NSDI 2012.)
//
// Thread rule: confined to one thread. Pure: time is an argument.
// Owns: the pieces until one copy of each is acknowledged; shares their bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace imgrec::net {

class LaneLedger {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Bytes = std::shared_ptr<const std::string>;

  static constexpr unsigned kMostCopies = 4;  // the first one included

  // `patience`: after so long without an acknowledgement a piece is late.
  LaneLedger(std::size_t lanes, std::chrono::microseconds patience)
      : patience_(patience), lanes_(lanes) {}

  // A piece is handed to a lane's TCP, or a copy of one, and when it is with it, how far the lane's
  // byte stream has come by that, as acknowledged() counts. Lane by lane, one piece at a time.
  void handed(std::size_t lane, std::uint64_t position, Bytes bytes, TimePoint now);
  void written(std::size_t lane, std::uint64_t end);
  void acknowledged(std::size_t lane, std::uint64_t up_to);

  void set_patience(std::chrono::microseconds patience) { patience_ = patience; }

  struct Piece {
    std::uint64_t position = 0;
    Bytes bytes;  // null: none
  };
  // The first piece in the stream that is late and is worth a copy on this lane: one that is not
  // late itself. Looks at the beginning of what is under way, as that holds up the rest.
  Piece to_repeat(std::size_t lane, TimePoint now) const;

  bool idle() const { return pieces_.empty(); }  // one copy of each piece is acknowledged
  bool quiet() const;                            // and so is every other
  std::size_t bytes_on(std::size_t lane) const { return lanes_[lane].bytes; }

 private:
  static constexpr std::uint64_t kNotWritten = ~std::uint64_t{0};

  struct Sent {
    Bytes bytes;
    unsigned copies = 0;
    TimePoint last;
  };
  struct Entry {
    std::uint64_t position = 0;
    std::uint64_t end = kNotWritten;
    std::size_t size = 0;
    TimePoint at;
  };
  struct Lane {
    std::deque<Entry> under_way;
    std::size_t bytes = 0;
  };

  std::chrono::microseconds patience_;
  std::map<std::uint64_t, Sent> pieces_;  // of which no copy is acknowledged, by position
  std::vector<Lane> lanes_;
};

}  // namespace imgrec::net
