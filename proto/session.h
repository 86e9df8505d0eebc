// The protocol state machines of both sides of a worker connection, without I/O: bytes and time
// in, bytes and messages out. The shell (manager/net, worker/net) owns the socket and one timer.
//
// After every call that takes `now`, the shell writes take_output(), handles take_messages() in
// order, and re-arms its timer to next_deadline(). When state() is kClosed it writes what is left
// and closes the socket; close_reason() says why.
//
// Thread rule: confined to the connection's strand.
// Owns: its decoder and what it has not handed over yet.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/frame.h"
#include "proto/messages.h"
#include "proto/status.h"

namespace imgrec::proto {

using TimePoint = std::chrono::steady_clock::time_point;

struct SessionOptions {
  std::uint32_t max_payload_bytes = kDefaultMaxPayloadBytes;  // accepted, once registered
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds heartbeat{1'000};    // PING at least this often
  std::chrono::milliseconds dead_after{10'000};  // no byte for this long: the peer is gone
};

// Transitions, both sides:
//   kHandshake -> kReady      WELCOME sent / received
//   kReady     -> kDraining   DRAIN sent or received
//   any        -> kClosed     REFUSE, BYE, protocol error, handshake or heartbeat time-out
// Every other move is a bug and is rejected by transition().
enum class SessionState { kHandshake, kReady, kDraining, kClosed };
bool transition_allowed(SessionState from, SessionState to);
std::string_view to_string(SessionState state);

// What both sides share: framing, heartbeats, closing.
class Session {
 public:
  virtual ~Session() = default;

  // Bytes as they came from the socket.
  void feed(std::string_view bytes, TimePoint now);
  // The peer closed its side, or the socket failed.
  void on_disconnect(std::string_view what);
  // Time passed; call when next_deadline() is reached.
  void on_tick(TimePoint now);
  std::optional<TimePoint> next_deadline() const;

  std::vector<OutgoingFrame> take_output();
  // Messages for the shell. PING and PONG are handled here and never appear.
  std::vector<Message> take_messages();

  SessionState state() const { return state_; }
  // REQUIRES: state() == kClosed. OK after BYE.
  const Status& close_reason() const { return close_reason_; }

  void send_drain(const Drain& drain);
  void send_bye(std::string reason);  // closes

  void set_load(Load load) { load_ = load; }            // goes out with PING and PONG
  const Load& peer_load() const { return peer_load_; }  // as last heard
  std::optional<std::chrono::microseconds> rtt() const { return rtt_; }  // smoothed, from PONG

 protected:
  Session(SessionOptions options, TimePoint now);
  virtual Status on_message(Message message, TimePoint now) = 0;

  void send(const Message& message);
  void deliver(Message message) { messages_.push_back(std::move(message)); }
  void transition(SessionState to);
  void close(Status why);
  const SessionOptions& options() const { return options_; }
  void set_heartbeat(std::chrono::milliseconds every) { options_.heartbeat = every; }
  FrameDecoder& decoder() { return decoder_; }

 private:
  Status handle(Frame frame, TimePoint now);

  SessionOptions options_;
  FrameDecoder decoder_;
  SessionState state_ = SessionState::kHandshake;
  Status close_reason_;
  std::vector<OutgoingFrame> output_;
  std::vector<Message> messages_;
  TimePoint opened_;
  TimePoint last_heard_;
  TimePoint last_ping_;
  std::uint64_t next_ping_id_ = 1;
  Load load_;
  Load peer_load_;
  std::optional<std::chrono::microseconds> rtt_;
};

// The manager's side of one worker connection. The first message delivered is the HELLO; the shell
// answers it with welcome() or refuse(). Then OUTCOME, FAIL, DRAIN, BYE.
class ManagerSession final : public Session {
 public:
  ManagerSession(SessionOptions options, TimePoint now);

  // REQUIRES: a HELLO was delivered and not answered yet. The version is chosen here: the highest
  // that both speak; a HELLO without one is refused before it is delivered.
  void welcome(WorkerId worker, std::string manager_id, TimePoint now);
  void refuse(const Refuse& refuse);  // closes

  // REQUIRES: kReady (assign) or kReady/kDraining (cancel).
  void assign(const Assign& assign);
  void cancel(const Cancel& cancel);

 private:
  Status on_message(Message message, TimePoint now) override;
  bool hello_seen_ = false;
  std::uint8_t version_ = 0;
};

// The worker's side. HELLO goes out at once. Messages delivered: WELCOME or REFUSE first, then
// ASSIGN, CANCEL, DRAIN, BYE.
class WorkerSession final : public Session {
 public:
  WorkerSession(SessionOptions options, const Hello& hello, TimePoint now);

  // REQUIRES: kReady or kDraining.
  void send_outcome(const Outcome& outcome);
  void send_fail(const Fail& fail);

 private:
  Status on_message(Message message, TimePoint now) override;
};

inline constexpr std::uint8_t kMinProtocolVersion = 1;
inline constexpr std::uint8_t kMaxProtocolVersion = 1;

}  // namespace imgrec::proto
