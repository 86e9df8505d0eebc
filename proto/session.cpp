#include "proto/session.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace imgrec::proto {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::size_t kMaxUnanswered = 64;  // a PONG that comes after so many more PINGs is ignored
constexpr int kRttShare = 8;  // a new sample moves the average by an eighth (RFC 6298)
constexpr milliseconds kRetryAfter{1'000};  // after a REFUSE for what may have been bad luck

constexpr FrameTypeSet kFromNewWorker{FrameType::kHello, FrameType::kOpen, FrameType::kLane,
                                      FrameType::kBye};
constexpr FrameTypeSet kFromStranger{FrameType::kOpen, FrameType::kLane, FrameType::kBye};
constexpr FrameTypeSet kFromLane{};
constexpr FrameTypeSet kFromChallenged{FrameType::kProof, FrameType::kBye};
constexpr FrameTypeSet kFromProven{FrameType::kHello, FrameType::kBye};
constexpr FrameTypeSet kFromWaitingWorker{FrameType::kBye};
constexpr FrameTypeSet kFromWorker{FrameType::kOutcome, FrameType::kFail,  FrameType::kPing,
                                   FrameType::kPong,    FrameType::kDrain, FrameType::kBye};
constexpr FrameTypeSet kFromBatchingWorker{FrameType::kOutcome, FrameType::kFail,  FrameType::kPing,
                                           FrameType::kPong,    FrameType::kDrain, FrameType::kBye,
                                           FrameType::kBatch};
constexpr FrameTypeSet kFromUnproven{FrameType::kChallenge, FrameType::kRefuse, FrameType::kBye};
constexpr FrameTypeSet kFromNewManager{FrameType::kWelcome, FrameType::kRefuse, FrameType::kBye};
constexpr FrameTypeSet kFromManager{FrameType::kAssign, FrameType::kCancel, FrameType::kPing,
                                    FrameType::kPong,   FrameType::kDrain,  FrameType::kBye};

constexpr FrameTypeSet kFromNewerManager{
    FrameType::kAssign, FrameType::kCancel, FrameType::kPing,  FrameType::kPong,  FrameType::kDrain,
    FrameType::kBye,    FrameType::kFill,   FrameType::kLanes, FrameType::kSpread};

SessionOptions within_limits(SessionOptions options) {
  options.heartbeat = std::clamp(options.heartbeat, milliseconds(1), kMaxHeartbeat);
  options.dead_after = std::max(options.dead_after, 2 * options.heartbeat);
  options.max_payload_bytes = std::max(options.max_payload_bytes, kMinMaxPayloadBytes);
  return options;
}

std::string range(unsigned min, unsigned max) {
  return min == max ? std::to_string(min) : std::to_string(min) + " to " + std::to_string(max);
}

// What a proof of the join token covers: who proves, and all that both sides have said so far. The
// role keeps a proof from being sent back to whom it came from, the nonces from being used twice.
std::string join_text(std::string_view role, std::string_view opening, std::string_view nonce) {
  std::string text = "imgrec join 1 ";
  text.append(role).append(1, '\0').append(opening).append(nonce);
  return text;
}

std::string in_words(milliseconds time) { return std::to_string(time.count()) + " ms"; }

}  // namespace

bool transition_allowed(SessionState from, SessionState to) {
  switch (to) {
    case SessionState::kHandshake:
      return false;
    case SessionState::kReady:
      return from == SessionState::kHandshake;
    case SessionState::kDraining:
      return from == SessionState::kReady;
    case SessionState::kClosed:
      return from != SessionState::kClosed;
  }
  return false;
}

std::string_view to_string(SessionState state) {
  switch (state) {
    case SessionState::kHandshake:
      return "handshake";
    case SessionState::kReady:
      return "ready";
    case SessionState::kDraining:
      return "draining";
    case SessionState::kClosed:
      return "closed";
  }
  return "unknown";
}

// ---- both sides -------------------------------------------------------------------------------

Session::Session(SessionOptions options, TimePoint now)
    : options_(within_limits(options)), opened_(now), last_heard_(now), last_ping_(now) {}

void Session::feed(std::string_view bytes, TimePoint now) {
  if (state_ == SessionState::kClosed || bytes.empty()) return;
  last_heard_ = now;  // any byte: a large frame may take longer than a heartbeat
  decoder_.feed(bytes);
  while (state_ != SessionState::kClosed) {
    Result<std::optional<Frame>> frame = decoder_.next();
    if (!frame.ok()) return fail(frame.status());
    if (!*frame) return;
    if (Status status = handle(std::move(**frame), now); !status.ok()) return fail(status);
  }
}

Status Session::handle(Frame frame, TimePoint now) {
  if (Status status = on_frame(frame); !status.ok()) return status;
  Result<Message> decoded = decode(std::move(frame));
  if (!decoded.ok()) return decoded.status();
  Message& message = *decoded;
  if (const auto* ping = std::get_if<Ping>(&message)) {
    peer_load_ = ping->load;
    send(Pong{ping->id, ping->sent_us, load_});
  } else if (const auto* pong = std::get_if<Pong>(&message)) {
    on_pong(*pong, now);
  } else if (std::holds_alternative<Drain>(message)) {
    if (state_ == SessionState::kReady) transition(SessionState::kDraining);
    deliver(std::move(message));
  } else if (std::holds_alternative<Bye>(message)) {
    const Bye bye = std::get<Bye>(message);
    deliver(std::move(message));
    on_bye(bye);
  } else {
    return on_message(std::move(message), now);
  }
  return {};
}

void Session::on_disconnect(std::string_view what) {
  if (state_ == SessionState::kClosed) return;
  std::string text(what);
  if (!decoder_.at_boundary()) text += ", in the middle of a frame";
  close(Status(StatusCode::kUnavailable, std::move(text)));
}

void Session::on_tick(TimePoint now) {
  if (state_ == SessionState::kClosed) return;
  if (state_ == SessionState::kHandshake) {
    if (now - opened_ < options_.handshake_timeout) return;
    return fail(Status(StatusCode::kDeadlineExceeded,
                       "no handshake within " + in_words(options_.handshake_timeout)));
  }
  if (now - last_heard_ >= options_.dead_after) {
    return fail(Status(StatusCode::kDeadlineExceeded,
                       "nothing heard for " +
                           in_words(duration_cast<milliseconds>(now - last_heard_)) +
                           " (the limit is " + in_words(options_.dead_after) + ")"));
  }
  if (now - last_ping_ >= options_.heartbeat) ping(now);
}

std::optional<TimePoint> Session::next_deadline() const {
  if (state_ == SessionState::kClosed) return std::nullopt;
  if (state_ == SessionState::kHandshake) return opened_ + options_.handshake_timeout;
  return std::min(last_ping_ + options_.heartbeat, last_heard_ + options_.dead_after);
}

void Session::ping(TimePoint now) {
  if (!registered()) return;
  last_ping_ = now;
  const std::uint64_t id = next_ping_id_++;
  if (unanswered_.size() == kMaxUnanswered) unanswered_.pop_front();
  unanswered_.push_back({id, now});
  const auto sent_us = duration_cast<microseconds>(now.time_since_epoch()).count();
  send(Ping{id, static_cast<std::uint64_t>(sent_us), load_});
}

// The round trip is measured by our own record of the PING, not by what the PONG says.
void Session::on_pong(const Pong& pong, TimePoint now) {
  peer_load_ = pong.load;
  const auto sent = std::find_if(unanswered_.begin(), unanswered_.end(),
                                 [&](const SentPing& ping) { return ping.id == pong.id; });
  if (sent == unanswered_.end()) return;
  const auto sample = duration_cast<microseconds>(now - sent->at);
  unanswered_.erase(unanswered_.begin(), sent + 1);  // answers come in order
  rtt_ = rtt_ ? *rtt_ + (sample - *rtt_) / kRttShare : sample;
  measured_rtt_ = sample;
}

void Session::send_drain(const Drain& drain) {
  if (!registered()) return;
  send(drain);
  if (state_ == SessionState::kReady) transition(SessionState::kDraining);
}

void Session::send_bye(std::string reason) {
  send(Bye{std::move(reason)});
  close(Status());
}

void Session::fail(Status why) {
  send(Bye{why.message()});
  close(std::move(why));
}

void Session::send_frame(OutgoingFrame frame) {
  if (state_ != SessionState::kClosed) output_.push_back(std::move(frame));
}

void Session::become_ready(milliseconds heartbeat, TimePoint now) {
  options_.heartbeat = heartbeat;
  options_ = within_limits(options_);
  last_ping_ = now;
  transition(SessionState::kReady);
}

void Session::transition(SessionState to) {
  if (transition_allowed(state_, to)) {
    state_ = to;
    return;
  }
  if (state_ == SessionState::kClosed) return;
  close(Status(StatusCode::kInternal, "bug: a session went from " + std::string(to_string(state_)) +
                                          " to " + std::string(to_string(to))));
}

void Session::close(Status why) {
  if (state_ == SessionState::kClosed) return;
  close_reason_ = std::move(why);
  transition(SessionState::kClosed);
}

// ---- the manager's side -----------------------------------------------------------------------

ManagerSession::ManagerSession(SessionOptions options, TimePoint now) : Session(options, now) {
  if (this->options().join_token) {
    decoder().accept_only(kFromStranger, "a manager that asks for the join token first");
  } else {
    decoder().accept_only(kFromNewWorker, "a manager that waits for HELLO");
  }
}

// Versions are compared before the rest is read: a HELLO of another version may be laid out
// differently after them.
Status ManagerSession::on_frame(const Frame& frame) {
  if (frame.type != FrameType::kHello && frame.type != FrameType::kOpen) return {};
  if (frame.type == FrameType::kOpen) opening_ = *frame.payload;
  const std::optional<VersionRange> theirs = peek_versions(frame);
  if (!theirs || theirs->min > theirs->max) return {};  // decode() says what is wrong
  if (theirs->min > kMaxProtocolVersion || theirs->max < kMinProtocolVersion) {
    return Status(StatusCode::kUnsupported,
                  "this worker speaks protocol version " + range(theirs->min, theirs->max) +
                      ", this manager " + range(kMinProtocolVersion, kMaxProtocolVersion) +
                      ": install the same release on both");
  }
  version_ = std::min(theirs->max, kMaxProtocolVersion);
  return {};
}

Status ManagerSession::on_message(Message message, TimePoint) {
  if (const auto* open = std::get_if<Open>(&message)) {
    on_open(*open);
    return {};
  }
  if (const auto* proof = std::get_if<Proof>(&message)) {
    on_proof(*proof);
    return {};
  }
  if (std::holds_alternative<Lane>(message)) {
    decoder().accept_only(kFromLane, "a manager at the end of a lane");
  } else if (const auto* hello = std::get_if<Hello>(&message)) {
    if (Status status = on_hello(*hello); !status.ok()) return status;
  } else if (const auto* outcome = std::get_if<Outcome>(&message)) {
    if (Status status = check_classes(*outcome); !status.ok()) return status;
  }
  deliver(std::move(message));
  return {};
}

void ManagerSession::on_open(const Open& open) {
  if (!options().join_token) {
    return refuse_for_token(
        "this manager has no join token, and this worker has one: give the manager the same one "
        "(workers.token-file), or start the worker without");
  }
  opened_by_ = open.instance_id;
  nonce_ = options().join_token->nonce();
  send(Challenge{nonce_, options().join_token->prove(join_text("manager", opening_, nonce_))});
  decoder().accept_only(kFromChallenged, "a manager that waits for the proof of the join token");
}

void ManagerSession::on_proof(const Proof& proof) {
  if (!options().join_token->verify(join_text("worker", opening_, nonce_), proof.proof)) {
    return refuse_for_token(
        "this worker's join token is not the manager's: give both the same file (worker.token-file "
        "and workers.token-file)");
  }
  decoder().accept_only(kFromProven, "a manager that waits for HELLO");
}

Status ManagerSession::on_hello(const Hello& hello) {
  if (options().join_token && hello.instance_id != opened_by_) {
    return Status(StatusCode::kInvalidArgument,
                  "HELLO has another instance_id than the OPEN before it");
  }
  hello_seen_ = true;
  classes_ = hello.labels.size();
  decoder().accept_only(kFromWaitingWorker, "a manager that has not answered HELLO yet");
  return {};
}

// Trying again as it is would not help, and a worker that is refused for good asks seldom.
void ManagerSession::refuse_for_token(std::string reason) {
  refuse({.code = RefuseCode::kToken, .retry = false, .retry_after = {}, .reason = reason});
}

// One that leaves before it is registered says why for our log: that our proof does not convince
// it, for instance.
void ManagerSession::on_bye(const Bye& bye) {
  const bool early = state() == SessionState::kHandshake;
  close(early ? Status(StatusCode::kUnavailable,
                       "the worker left before it was registered: " + bye.reason)
              : Status());
}

Status ManagerSession::check_classes(const Outcome& outcome) const {
  for (const ScoredClass& scored : outcome.top) {
    if (scored.index < classes_) continue;
    return Status(StatusCode::kInvalidArgument,
                  "RESULT of job " + std::to_string(outcome.job.value) + " names class " +
                      std::to_string(scored.index) + "; this worker's HELLO had " +
                      std::to_string(classes_) + " labels");
  }
  return {};
}

void ManagerSession::welcome(WorkerId worker, std::string manager_id, TimePoint now) {
  if (state() != SessionState::kHandshake || !hello_seen_) return;
  send(Welcome{.version = version_,
               .worker = worker,
               .manager_id = std::move(manager_id),
               .heartbeat = options().heartbeat,
               .max_payload_bytes = options().max_payload_bytes});
  decoder().accept_only(version_ >= kBatchSince ? kFromBatchingWorker : kFromWorker, "a manager");
  become_ready(options().heartbeat, now);
  ping(now);  // at once: the round trip says how many images the worker is to be sent
}

void ManagerSession::refuse(const Refuse& refuse) {
  if (state() != SessionState::kHandshake) return;
  send(refuse);
  close(Status(refuse.retry ? StatusCode::kUnavailable : StatusCode::kFailedPrecondition,
               "refused: " + refuse.reason));
}

void ManagerSession::fail(Status why) {
  if (state() != SessionState::kHandshake) return Session::fail(std::move(why));
  if (options().join_token && decoder().unaccepted() == FrameType::kHello && opening_.empty()) {
    return refuse_for_token(
        "this manager takes only workers with its join token, and this worker has none: give it "
        "the manager's with worker.token-file");
  }
  // Damage on the way and slowness may pass; a wrong HELLO stays wrong.
  const bool bad_luck =
      why.code() == StatusCode::kDataLoss || why.code() == StatusCode::kDeadlineExceeded;
  send(Refuse{
      .code = why.code() == StatusCode::kUnsupported ? RefuseCode::kVersion : RefuseCode::kBadHello,
      .retry = bad_luck,
      .retry_after = bad_luck ? kRetryAfter : milliseconds(0),
      .reason = why.message()});
  close(std::move(why));
}

void ManagerSession::assign(const Assign& assign) {
  if (state() != SessionState::kReady) return;
  const std::size_t payload = kAssignFieldBytes + (assign.image ? assign.image->size() : 0);
  if (payload > options().max_payload_bytes) {
    deliver(Fail{.job = assign.job,
                 .attempt = assign.attempt,
                 .code = FailCode::kInternal,
                 .retriable = false,
                 .text = "the image needs a payload of " + std::to_string(payload) +
                         " bytes; the worker protocol's limit is set to " +
                         std::to_string(options().max_payload_bytes)});
    return;
  }
  send(assign);
}

void ManagerSession::fill(const Fill& fill) {
  if (can_fill()) send(fill);
}

void ManagerSession::lanes(const Lanes& lanes) {
  if (can_have_lanes()) send(lanes);
}

void ManagerSession::spread() {
  if (can_have_lanes()) send(Spread{});
}

void ManagerSession::cancel(const Cancel& cancel) {
  if (registered()) send(cancel);
}

// ---- the worker's side ------------------------------------------------------------------------

WorkerSession::WorkerSession(SessionOptions options, const Hello& hello, TimePoint now)
    : Session(options, now), versions_{hello.min_version, hello.max_version} {
  // What the manager will do with it, done here: a mistake is found where it can be mended.
  OutgoingFrame frame = encode(hello);
  FrameDecoder check;
  check.feed(frame.head);
  Result<std::optional<Frame>> framed = check.next();
  Status status = framed.status();
  if (status.ok()) status = decode(std::move(**framed)).status();
  if (!status.ok()) {
    close(Status(status.code(), "this worker's HELLO cannot be sent: " + status.message()));
  } else if (this->options().join_token) {
    OutgoingFrame open = encode(Open{hello.min_version, hello.max_version, hello.instance_id,
                                     this->options().join_token->nonce()});
    opening_ = open.head.substr(kHeaderBytes);
    send_frame(std::move(open));
    hello_ = std::move(frame);
    decoder().accept_only(kFromUnproven, "a worker that waits for the manager's proof");
  } else {
    send_frame(std::move(frame));
    decoder().accept_only(kFromNewManager, "a worker that waits for WELCOME");
  }
}

Status WorkerSession::on_challenge(const Challenge& challenge) {
  const JoinToken& token = *options().join_token;
  if (!token.verify(join_text("manager", opening_, challenge.nonce), challenge.proof)) {
    return Status(StatusCode::kFailedPrecondition,
                  "the manager's join token is not this worker's: give both the same file "
                  "(workers.token-file and worker.token-file)");
  }
  send(Proof{token.prove(join_text("worker", opening_, challenge.nonce))});
  send_frame(std::exchange(hello_, {}));
  decoder().accept_only(kFromNewManager, "a worker that waits for WELCOME");
  return {};
}

Status WorkerSession::on_message(Message message, TimePoint now) {
  if (std::holds_alternative<Fill>(message)) return {};
  if (const auto* challenge = std::get_if<Challenge>(&message)) return on_challenge(*challenge);
  if (const auto* welcome = std::get_if<Welcome>(&message)) {
    if (Status status = on_welcome(*welcome, now); !status.ok()) return status;
  } else if (const auto* refuse = std::get_if<Refuse>(&message)) {
    Status why(refuse->retry ? StatusCode::kUnavailable : StatusCode::kFailedPrecondition,
               "the manager refused this worker: " + refuse->reason);
    deliver(std::move(message));
    close(std::move(why));
    return {};
  }
  deliver(std::move(message));
  return {};
}

Status WorkerSession::on_welcome(const Welcome& welcome, TimePoint now) {
  if (welcome.version < versions_.min || welcome.version > versions_.max) {
    return Status(StatusCode::kUnsupported,
                  "the manager chose protocol version " + std::to_string(welcome.version) +
                      "; this worker offered " + range(versions_.min, versions_.max));
  }
  // Found here rather than at the first large image, which would take the connection with it.
  if (welcome.max_payload_bytes > options().max_payload_bytes) {
    return Status(
        StatusCode::kFailedPrecondition,
        "the manager sends payloads of up to " + std::to_string(welcome.max_payload_bytes) +
            " bytes, this worker takes at most " + std::to_string(options().max_payload_bytes) +
            ": lower the manager's limit or raise the worker's");
  }
  decoder().set_max_payload_bytes(welcome.max_payload_bytes);
  decoder().accept_only(welcome.version >= kTransportSince ? kFromNewerManager : kFromManager,
                        "a worker");
  become_ready(welcome.heartbeat, now);
  version_ = welcome.version;
  return {};
}

void WorkerSession::send_batch(const Batch& batch) {
  if (registered() && version_ >= kBatchSince) send(batch);
}

void WorkerSession::send_outcome(const Outcome& outcome) {
  if (!registered()) return;
  const auto broken = [](const ScoredClass& scored) {
    return !(scored.score >= 0 && scored.score <= 1 + kScoreTolerance);  // also where not a number
  };
  const bool bad_score = std::any_of(outcome.top.begin(), outcome.top.end(), broken);
  if (outcome.top.empty() || bad_score) {
    send(Fail{.job = outcome.job,
              .attempt = outcome.attempt,
              .code = FailCode::kInference,
              .retriable = true,
              .text = bad_score ? "the network's scores are not probabilities (0 to 1)"
                                : "the network gave no classes"});
    return;
  }
  send(outcome);
}

void WorkerSession::send_fail(const Fail& fail) {
  if (registered()) send(fail);
}

}  // namespace imgrec::proto
