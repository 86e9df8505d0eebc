// Where one socket stands in its session's numbered results. Results are durable, so a slow or
// late socket holds none of them in memory: it falls behind, and reads pages from the storage when
// it has room again. The same way serves the replay after a reconnect.
//
// Thread rule: confined to one thread. Owns: nothing.
#pragma once

#include <algorithm>
#include <cstdint>

namespace imgrec::manager {

class EventCursor {
 public:
  // Everything up to and including `after` was seen. `behind`: there may be more in the storage.
  EventCursor(std::uint64_t after, bool behind) : seen_(after), behind_(behind) {}

  // A result was settled just now. True: send it; false: it is old, or a page will bring it.
  // `room`: the socket's queue can take it.
  bool on_live(std::uint64_t seq, bool room) {
    if (reading_) missed_while_reading_ = true;
    if (behind_ || seq <= seen_) return false;
    if (!room) {
      behind_ = true;
      return false;
    }
    seen_ = seq;
    return true;
  }

  // True: read the next page, results numbered above seen(), and report it with on_page().
  bool wants_page(bool room) const { return behind_ && !reading_ && room; }
  void on_page_requested() {
    reading_ = true;
    missed_while_reading_ = false;
  }

  // A page arrived, and was sent up to and including the result `last` (0: none of it). `more`:
  // there may be another page, or not all of this one could be sent.
  // What was settled while it was read may or may not be in it: then one more page is read.
  void on_page(std::uint64_t last, bool more) {
    reading_ = false;
    seen_ = std::max(seen_, last);
    behind_ = more || missed_while_reading_;
  }

  std::uint64_t seen() const { return seen_; }
  bool behind() const { return behind_; }

 private:
  std::uint64_t seen_;
  bool behind_;
  bool reading_ = false;
  bool missed_while_reading_ = false;
};

}  // namespace imgrec::manager
