// The protocol state machines of both sides of a worker connection, without I/O: bytes and time
// in, bytes and messages out. The shell (manager/net, worker/net) owns the socket and one timer.
//
// After every call the shell writes take_output(), handles take_messages() in order, and re-arms
// its timer to next_deadline(). When state() is kClosed it writes what is left and closes the
// socket; close_reason() says why. Messages that came before the end stay available after it.
//
// Thread rule: confined to the connection's strand.
// Owns: its decoder and what it has not handed over yet.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/frame.h"
#include "proto/message_codec.h"
#include "proto/messages.h"
#include "proto/status.h"

namespace imgrec::proto {

using TimePoint = std::chrono::steady_clock::time_point;

inline constexpr std::uint8_t kMinProtocolVersion = 1;
inline constexpr std::uint8_t kMaxProtocolVersion = 3;
// The first protocol version with FILL, LANES, LANE and SPREAD.
inline constexpr std::uint8_t kTransportSince = 2;
// The first one with BATCH.
inline constexpr std::uint8_t kBatchSince = 3;

// A secret that both sides were given, and the cryptography over it, which this layer does not
// have: net/join_token.h does. Neither the token nor anything from which it can be had more easily
// than by trying leaves this interface.
class JoinToken {
 public:
  virtual ~JoinToken() = default;
  virtual std::string nonce() const = 0;                       // kJoinBytes nobody can foresee
  virtual std::string prove(std::string_view text) const = 0;  // kJoinBytes: a MAC of the text
  // Is `proof` what prove(text) gives? Takes as long for every wrong one.
  virtual bool verify(std::string_view text, std::string_view proof) const = 0;
};

struct SessionOptions {
  // Manager: the largest payload it sends (an image and 10 bytes). Worker: the largest it accepts.
  // At least kMinMaxPayloadBytes.
  std::uint32_t max_payload_bytes = kDefaultMaxPayloadBytes;
  std::chrono::milliseconds handshake_timeout{10'000};
  // PING at least this often, 1 ms to kMaxHeartbeat; a worker takes the one that WELCOME names.
  std::chrono::milliseconds heartbeat{1'000};
  // No byte for this long: the peer is gone. At least two heartbeats.
  std::chrono::milliseconds dead_after{10'000};
  // Null: none. A manager with one takes HELLO only from a worker that has proven it; a worker with
  // one says HELLO only to a manager that has.
  std::shared_ptr<const JoinToken> join_token = {};
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
//
// A peer that breaks the protocol or falls silent is told why (REFUSE by a manager before it sent
// WELCOME, else BYE), and the session is closed. The calls that send do nothing in a state that
// does not allow them, because a connection may end while the caller is on its way.
class Session {
 public:
  virtual ~Session() = default;

  // Bytes as they came from the socket.
  void feed(std::string_view bytes, TimePoint now);
  // The peer is alive: bytes of its came which cannot be fed yet.
  void heard(TimePoint now) { last_heard_ = now; }
  // The peer closed its side, or the socket failed.
  void on_disconnect(std::string_view what);
  // Time passed; call when next_deadline() is reached.
  void on_tick(TimePoint now);
  // nullopt: closed.
  std::optional<TimePoint> next_deadline() const;

  std::vector<OutgoingFrame> take_output() { return std::exchange(output_, {}); }
  // Messages for the shell. PING and PONG are handled here and never appear.
  std::vector<Message> take_messages() { return std::exchange(messages_, {}); }

  SessionState state() const { return state_; }
  // REQUIRES: state() == kClosed. OK after BYE.
  const Status& close_reason() const { return close_reason_; }

  // REQUIRES: kReady or kDraining.
  void send_drain(const Drain& drain);
  void send_bye(std::string reason);  // closes

  void set_load(Load load) { load_ = load; }            // goes out with PING and PONG
  const Load& peer_load() const { return peer_load_; }  // as last heard
  // Smoothed over about eight PONGs. Waiting behind a large frame in either direction counts.
  std::optional<std::chrono::microseconds> rtt() const { return rtt_; }
  // That of the newest PONG alone, once; nullopt until the next one comes.
  std::optional<std::chrono::microseconds> take_measured_rtt() {
    return std::exchange(measured_rtt_, std::nullopt);
  }

  // Sends a PING at once; the next heartbeat counts from here. Nothing before WELCOME.
  void ping(TimePoint now);

 protected:
  Session(SessionOptions options, TimePoint now);

  // A frame of an accepted type, before its payload is read.
  virtual Status on_frame(const Frame&) { return {}; }
  // Every message that the session does not handle itself. Not OK: a protocol error.
  virtual Status on_message(Message message, TimePoint now) = 0;
  virtual void on_bye(const Bye&) { close(Status()); }
  // Closes for `why`, after telling the peer in the way that fits the state.
  virtual void fail(Status why);

  void send(const Message& message) { send_frame(encode(message)); }
  void send_frame(OutgoingFrame frame);
  void deliver(Message message) { messages_.push_back(std::move(message)); }
  void become_ready(std::chrono::milliseconds heartbeat, TimePoint now);
  void transition(SessionState to);
  void close(Status why);
  bool registered() const {
    return state_ == SessionState::kReady || state_ == SessionState::kDraining;
  }
  const SessionOptions& options() const { return options_; }
  FrameDecoder& decoder() { return decoder_; }

 private:
  struct SentPing {
    std::uint64_t id = 0;
    TimePoint at;
  };

  Status handle(Frame frame, TimePoint now);
  void on_pong(const Pong& pong, TimePoint now);

  SessionOptions options_;
  FrameDecoder decoder_;  // only a worker's needs a limit besides those of the types, from WELCOME
  SessionState state_ = SessionState::kHandshake;
  Status close_reason_;
  std::vector<OutgoingFrame> output_;
  std::vector<Message> messages_;
  TimePoint opened_;
  TimePoint last_heard_;
  TimePoint last_ping_;  // or the registration, before the first
  std::uint64_t next_ping_id_ = 1;
  std::deque<SentPing> unanswered_;  // the newest few, oldest first
  Load load_;
  Load peer_load_;
  std::optional<std::chrono::microseconds> rtt_;
  std::optional<std::chrono::microseconds> measured_rtt_;  // since take_measured_rtt()
};

// The manager's side of one worker connection. The first message delivered is the HELLO; the shell
// answers it with welcome() or refuse(). Then OUTCOME, FAIL, BATCH, DRAIN, BYE. OPEN and PROOF are
// handled here: with a join token, a HELLO that is delivered is that of a worker which has it too,
// and no payload over 4 KiB was held before that was proven. Or the first message, and the only
// one, is a LANE: then the connection is no worker's, and its stream is to be taken away.
class ManagerSession final : public Session {
 public:
  ManagerSession(SessionOptions options, TimePoint now);

  // REQUIRES: a HELLO was delivered and not answered yet. The version is chosen here: the highest
  // that both speak; a HELLO without one is refused before it is delivered.
  void welcome(WorkerId worker, std::string manager_id, TimePoint now);
  // REQUIRES: kHandshake.
  void refuse(const Refuse& refuse);  // closes

  // REQUIRES: kReady (assign) or kReady/kDraining (cancel). An image over max_payload_bytes is not
  // sent: it comes back at once as a Fail of that job, for good (not retriable).
  void assign(const Assign& assign);
  void cancel(const Cancel& cancel);
  // The worker knows FILL. REQUIRES for fill(): kReady, and this; otherwise nothing is sent.
  bool can_fill() const { return state() == SessionState::kReady && version_ >= kTransportSince; }
  void fill(const Fill& fill);
  // The worker knows LANES. REQUIRES for lanes(), spread(): kReady or kDraining, and this;
  // otherwise nothing is sent.
  bool can_have_lanes() const { return registered() && version_ >= kTransportSince; }
  void lanes(const Lanes& lanes);
  void spread();

 private:
  Status on_frame(const Frame& frame) override;
  Status on_message(Message message, TimePoint now) override;
  void on_bye(const Bye& bye) override;
  void fail(Status why) override;
  void on_open(const Open& open);
  void on_proof(const Proof& proof);
  Status on_hello(const Hello& hello);
  void refuse_for_token(std::string reason);
  Status check_classes(const Outcome& outcome) const;

  std::string opening_;    // OPEN's payload, which the proofs cover
  std::string opened_by_;  // OPEN's instance_id
  std::string nonce_;      // ours
  bool hello_seen_ = false;
  std::uint8_t version_ = 0;
  std::size_t classes_ = 0;  // labels in the HELLO; a class index in a RESULT is below
};

// The worker's side. HELLO goes out at once; with a join token OPEN does, and HELLO once the
// manager has proven that it has the token. Messages delivered: WELCOME or REFUSE first, then
// ASSIGN, CANCEL, LANES, SPREAD, DRAIN, BYE. What is in a FILL is dropped here.
class WorkerSession final : public Session {
 public:
  // A HELLO that no manager would take (labels over 4 MiB in all, no instance id, …) is not sent:
  // the session is closed from the start and says why.
  WorkerSession(SessionOptions options, const Hello& hello, TimePoint now);

  // REQUIRES: kReady or kDraining. An answer that breaks the protocol's limits (a score that is
  // not a number) is sent as a FAIL of that job, kInference, instead of losing the connection.
  void send_outcome(const Outcome& outcome);
  void send_fail(const Fail& fail);
  // REQUIRES: kReady or kDraining. Not sent to a manager that does not know it.
  void send_batch(const Batch& batch);

 private:
  Status on_message(Message message, TimePoint now) override;
  Status on_challenge(const Challenge& challenge);
  Status on_welcome(const Welcome& welcome, TimePoint now);

  VersionRange versions_;     // of our HELLO
  std::string opening_;       // OPEN's payload, which the proofs cover
  std::uint8_t version_ = 0;  // WELCOME's
  OutgoingFrame hello_;       // held back while the manager has not proven the token
};

}  // namespace imgrec::proto
