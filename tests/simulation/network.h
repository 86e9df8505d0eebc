// The simulated network between the workers and the manager: connections of two byte pipes each,
// with delay, bandwidth, bounded buffers, and everything that can go wrong with bytes.
//
// Thread rule: not shared; each schedule has its own.
// Owns: the connections, to the end of the schedule. Borrows the endpoints, which must stay alive
// as long, or detach().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/frame.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/world.h"

namespace imgrec::simulation {

// Who reads from a connection: a shell around one protocol session.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  virtual void on_bytes(std::string_view bytes) = 0;
  virtual void on_end(std::string_view why) = 0;  // the peer closed, or the connection is lost
  virtual bool session_over() const = 0;
};

// A worker's cable. Every connection that it makes goes over it.
struct Cable {
  LinkPlan plan;
  unsigned worker = 0;
  TimePoint slow_until{};  // with kSlowBytesPerSecond
  bool refused = false;    // connects fail
};

class Network;

// One direction of a connection: first in, first out, like TCP.
class Pipe {
 public:
  Pipe(Network& network, const Cable& cable, unsigned direction);

  void write(const proto::OutgoingFrame& frame);
  void finish();  // after what was written: the receiver reads the end
  // The writing process is gone: what the kernel had not taken is lost, then the end.
  void break_off();
  // The connection breaks: the receiver gets a prefix of what is on its way, then the end.
  void cut();
  void stall(TimePoint until);
  void duplicate_next() { duplicate_next_ = true; }
  void corrupt_next() { corrupt_next_ = true; }

  void set_reader(Endpoint* reader) { reader_ = reader; }
  bool has_reader() const { return reader_ != nullptr; }
  std::size_t waiting() const { return waiting_.size(); }  // frames that do not fit in yet
  std::optional<TimePoint> blocked_since() const { return blocked_since_; }

 private:
  struct Piece {
    std::string bytes;
    TimePoint sent;
    TimePoint arrives;
    std::uint64_t number = 0;  // of the network, in the order of sending
    bool first = true;         // of its frame
    bool last = true;
    bool slow = false;  // it waited for the wire
    bool duplicate = false;
    bool corrupted = false;
    bool end = false;  // of the stream; `bytes` says why
  };

  void advance();
  void launch(std::string frame, bool duplicate, bool corrupted);
  void launch_end(std::string why);
  void arm();
  void deliver();
  void hand_over(const Piece& piece);
  void count(const Piece& piece);

  Network& network_;
  const Cable& cable_;
  const unsigned direction_;
  Endpoint* reader_ = nullptr;
  std::deque<std::string> waiting_;
  std::deque<Piece> flight_;
  std::size_t flight_bytes_ = 0;
  TimePoint free_at_{};  // when the wire has taken what was sent so far
  TimePoint last_arrival_{};
  TimePoint stalled_until_{};
  std::optional<TimePoint> blocked_since_;
  bool finishing_ = false;
  bool ended_ = false;  // the end is on its way
  bool duplicate_next_ = false;
  bool corrupt_next_ = false;
  Alarm alarm_;
};

struct Connection {
  Connection(Network& network, const Cable& cable)
      : to_worker(network, cable, 0), to_manager(network, cable, 1) {}
  bool live() const { return to_worker.has_reader() && to_manager.has_reader(); }
  void cut();
  void black_hole();

  Pipe to_worker;
  Pipe to_manager;
};

class Network {
 public:
  // The manager's end of a new connection; nullptr: nobody listens.
  using Accept = std::function<Endpoint*(Connection&)>;

  explicit Network(World& world) : world_(world) {}
  void listen(Accept accept) { accept_ = std::move(accept); }

  // Calls back after a round trip; nullptr: refused.
  void connect(Cable& cable, std::function<void(Connection*)> done);

  World& world() { return world_; }
  std::uint64_t next_number() { return ++last_number_; }
  // Where the newest piece of `direction` that has arrived stood in the order of sending.
  std::uint64_t& newest_arrived(unsigned direction) { return newest_arrived_[direction]; }

 private:
  World& world_;
  Accept accept_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::uint64_t last_number_ = 0;
  std::uint64_t newest_arrived_[2] = {0, 0};
};

}  // namespace imgrec::simulation
