#include "proto/message_codec.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "proto/text.h"
#include "proto/wire.h"

namespace imgrec::proto {
namespace {

// Message's alternatives stand in the order of the type numbers, which begin at 1.
static_assert(std::variant_size_v<Message> == static_cast<std::size_t>(FrameType::kBatch));
template <FrameType type, class T>
constexpr bool kInPlace =
    std::is_same_v<std::variant_alternative_t<static_cast<std::size_t>(type) - 1, Message>, T>;
static_assert(kInPlace<FrameType::kHello, Hello> && kInPlace<FrameType::kWelcome, Welcome> &&
              kInPlace<FrameType::kRefuse, Refuse> && kInPlace<FrameType::kAssign, Assign> &&
              kInPlace<FrameType::kOutcome, Outcome> && kInPlace<FrameType::kFail, Fail> &&
              kInPlace<FrameType::kCancel, Cancel> && kInPlace<FrameType::kPing, Ping> &&
              kInPlace<FrameType::kPong, Pong> && kInPlace<FrameType::kDrain, Drain> &&
              kInPlace<FrameType::kBye, Bye> && kInPlace<FrameType::kOpen, Open> &&
              kInPlace<FrameType::kChallenge, Challenge> && kInPlace<FrameType::kProof, Proof> &&
              kInPlace<FrameType::kFill, Fill> && kInPlace<FrameType::kLanes, Lanes> &&
              kInPlace<FrameType::kLane, Lane> && kInPlace<FrameType::kSpread, Spread> &&
              kInPlace<FrameType::kBatch, Batch>);

// Durations travel as u32: milliseconds up to 49 days, microseconds up to 71 minutes.
template <class Rep, class Period>
std::uint32_t saturated(std::chrono::duration<Rep, Period> duration) {
  constexpr Rep kMax = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::clamp<Rep>(duration.count(), 0, kMax));
}

// ---- one write() and one read() per message, field by field, in the order of PROTOCOL.md ------

std::string read_clean(Reader& in, std::string_view field, std::size_t max_bytes) {
  return clean_text(in.text(field, max_bytes), max_bytes);
}

// Ids are compared and used as keys, so they are refused rather than cleaned.
std::string read_id(Reader& in, std::string_view field) {
  const std::string_view text = in.text(field, kMaxIdBytes);
  const auto allowed = [](char c) {
    return ('0' <= c && c <= '9') || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '-' ||
           c == '_';
  };
  in.require(!text.empty(), field, "is empty");
  in.require(std::all_of(text.begin(), text.end(), allowed), field,
             "has characters other than A-Z, a-z, 0-9, '-' and '_'");
  return std::string(text);
}

float read_score(Reader& in, std::string_view field) {
  const float score = in.real(field);
  in.require(std::isfinite(score), field, "is not a finite number");
  in.require(score >= 0 && score <= 1 + kScoreTolerance, field, "is not within 0 and 1");
  return std::min(score, 1.0f) + 0.0f;  // adding 0 makes -0 to 0
}

std::chrono::milliseconds read_milliseconds(Reader& in, std::string_view field) {
  return std::chrono::milliseconds(in.number<std::uint32_t>(field));
}

std::chrono::microseconds read_microseconds(Reader& in, std::string_view field) {
  return std::chrono::microseconds(in.number<std::uint32_t>(field));
}

template <class Enum>
Enum read_enum(Reader& in, std::string_view field, Enum last) {
  const auto value = in.number<std::uint16_t>(field);
  in.require(1 <= value && value <= static_cast<std::uint16_t>(last), field,
             "has a value that this protocol version does not know");
  return static_cast<Enum>(value);
}

void write(Writer& out, const Hello& hello) {
  out.number(hello.min_version);
  out.number(hello.max_version);
  out.number(hello.streams);
  out.number(hello.credit);
  out.real(hello.unsure_below);
  out.text(hello.name, kMaxNameBytes);
  out.text(hello.instance_id, kMaxIdBytes);
  out.text(hello.model_name, kMaxNameBytes);
  out.text(hello.model_digest, kMaxIdBytes);
  const std::size_t count = std::min(hello.labels.size(), kMaxLabels);
  out.number(static_cast<std::uint32_t>(count));
  for (std::size_t i = 0; i < count; ++i) out.text(hello.labels[i], kMaxLabelBytes);
}

template <class HelloOrOpen>
void read_versions(Reader& in, HelloOrOpen& message) {
  message.min_version = in.number<std::uint8_t>("min_version");
  message.max_version = in.number<std::uint8_t>("max_version");
  in.require(message.min_version >= 1, "min_version", "is 0; versions begin at 1");
  in.require(message.min_version <= message.max_version, "min_version", "is above max_version");
}

void read(Reader& in, Hello& hello) {
  read_versions(in, hello);
  hello.streams = in.number<std::uint16_t>("streams");
  in.require(hello.streams >= 1, "streams", "is 0; a worker computes at least one at a time");
  hello.credit = in.number<std::uint16_t>("credit");
  in.require(hello.credit >= 1, "credit", "is 0; a worker takes at least one attempt");
  hello.unsure_below = read_score(in, "unsure_below");
  hello.name = read_clean(in, "name", kMaxNameBytes);
  hello.instance_id = read_id(in, "instance_id");
  hello.model_name = read_clean(in, "model_name", kMaxNameBytes);
  hello.model_digest = read_id(in, "model_digest");
  const auto count = in.number<std::uint32_t>("the number of labels");
  in.require(count <= kMaxLabels, "the number of labels", "is above 65536");
  // Each takes at least its length's two bytes, so a false count cannot make us reserve much.
  in.require(count <= in.bytes_left() / 2, "the number of labels", "is more than the payload has");
  if (!in.ok()) return;
  hello.labels.reserve(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    hello.labels.push_back(read_clean(in, "a label", kMaxLabelBytes));
  }
}

void write(Writer& out, const Welcome& welcome) {
  out.number(welcome.version);
  out.number(welcome.worker.value);
  out.number(saturated(welcome.heartbeat));
  out.number(welcome.max_payload_bytes);
  out.text(welcome.manager_id, kMaxIdBytes);
}

void read(Reader& in, Welcome& welcome) {
  welcome.version = in.number<std::uint8_t>("version");
  in.require(welcome.version >= 1, "version", "is 0; versions begin at 1");
  welcome.worker.value = in.number<std::uint64_t>("worker");
  in.require(welcome.worker.value != 0, "worker", "is 0, which is no worker");
  welcome.heartbeat = read_milliseconds(in, "heartbeat");
  in.require(welcome.heartbeat.count() >= 1 && welcome.heartbeat <= kMaxHeartbeat, "heartbeat",
             "is not within 1 ms and 10 min");
  welcome.max_payload_bytes = in.number<std::uint32_t>("max_payload_bytes");
  in.require(welcome.max_payload_bytes >= kMinMaxPayloadBytes, "max_payload_bytes",
             "is below 65536");
  welcome.manager_id = read_id(in, "manager_id");
}

void write(Writer& out, const Refuse& refuse) {
  out.number(static_cast<std::uint16_t>(refuse.code));
  out.flag(refuse.retry);
  out.number(saturated(refuse.retry_after));
  out.text(refuse.reason, kMaxTextBytes);
}

// A REFUSE must be readable whatever the versions: a code of a later one counts as kBadHello.
void read(Reader& in, Refuse& refuse) {
  const auto code = in.number<std::uint16_t>("code");
  const bool known = 1 <= code && code <= static_cast<std::uint16_t>(RefuseCode::kTls);
  refuse.code = known ? static_cast<RefuseCode>(code) : RefuseCode::kBadHello;
  refuse.retry = in.flag("retry");
  refuse.retry_after = read_milliseconds(in, "retry_after");
  refuse.reason = read_clean(in, "reason", kMaxTextBytes);
}

void write(Writer& out, const Assign& assign) {
  out.number(assign.attempt);
  out.number(saturated(assign.deadline));
  out.number(assign.top_k);
}

void read(Reader& in, Assign& assign) {
  assign.attempt = in.number<std::uint32_t>("attempt");
  assign.deadline = read_milliseconds(in, "deadline");
  assign.top_k = in.number<std::uint16_t>("top_k");
  in.require(1 <= assign.top_k && assign.top_k <= kMaxTop, "top_k", "is not within 1 and 1000");
}

void write(Writer& out, const Outcome& outcome) {
  out.number(outcome.attempt);
  out.number(saturated(outcome.timing.decode));
  out.number(saturated(outcome.timing.queue));
  out.number(saturated(outcome.timing.inference));
  out.flag(outcome.from_cache);
  const std::size_t count = std::min(outcome.top.size(), kMaxTop);
  out.number(static_cast<std::uint16_t>(count));
  for (std::size_t i = 0; i < count; ++i) {
    out.number(outcome.top[i].index);
    out.real(outcome.top[i].score);
  }
}

void read(Reader& in, Outcome& outcome) {
  outcome.attempt = in.number<std::uint32_t>("attempt");
  outcome.timing.decode = read_microseconds(in, "decode");
  outcome.timing.queue = read_microseconds(in, "queue");
  outcome.timing.inference = read_microseconds(in, "inference");
  outcome.from_cache = in.flag("from_cache");
  const auto count = in.number<std::uint16_t>("the number of classes");
  in.require(1 <= count && count <= kMaxTop, "the number of classes", "is not within 1 and 1000");
  if (!in.ok()) return;
  outcome.top.reserve(count);
  for (std::uint16_t i = 0; i < count && in.ok(); ++i) {
    const auto index = in.number<std::uint32_t>("a class index");
    outcome.top.push_back({index, read_score(in, "a score")});
  }
}

void write(Writer& out, const Fail& fail) {
  out.number(fail.attempt);
  out.number(static_cast<std::uint16_t>(fail.code));
  out.flag(fail.retriable);
  out.text(fail.text, kMaxTextBytes);
}

void read(Reader& in, Fail& fail) {
  fail.attempt = in.number<std::uint32_t>("attempt");
  fail.code = read_enum(in, "code", FailCode::kInternal);
  fail.retriable = in.flag("retriable");
  fail.text = read_clean(in, "text", kMaxTextBytes);
}

void write(Writer& out, const Cancel& cancel) {
  out.number(cancel.attempt);
  out.number(static_cast<std::uint16_t>(cancel.reason));
}

void read(Reader& in, Cancel& cancel) {
  cancel.attempt = in.number<std::uint32_t>("attempt");
  cancel.reason = read_enum(in, "reason", CancelReason::kTimedOut);
}

template <class PingOrPong>
void write_ping(Writer& out, const PingOrPong& message) {
  out.number(message.sent_us);
  out.number(message.load.queued);
  out.number(message.load.running);
}
void write(Writer& out, const Ping& ping) { write_ping(out, ping); }
void write(Writer& out, const Pong& pong) { write_ping(out, pong); }

template <class PingOrPong>
void read_ping(Reader& in, PingOrPong& message) {
  message.sent_us = in.number<std::uint64_t>("sent_us");
  message.load.queued = in.number<std::uint16_t>("queued");
  message.load.running = in.number<std::uint16_t>("running");
}
void read(Reader& in, Ping& ping) { read_ping(in, ping); }
void read(Reader& in, Pong& pong) { read_ping(in, pong); }

void write(Writer& out, const Drain& drain) {
  out.number(saturated(drain.deadline));
  out.text(drain.reason, kMaxTextBytes);
}

void read(Reader& in, Drain& drain) {
  drain.deadline = read_milliseconds(in, "deadline");
  drain.reason = read_clean(in, "reason", kMaxTextBytes);
}

void write(Writer& out, const Bye& bye) { out.text(bye.reason, kMaxTextBytes); }

void read(Reader& in, Bye& bye) { bye.reason = read_clean(in, "reason", kMaxTextBytes); }

void write(Writer& out, const Open& open) {
  out.number(open.min_version);
  out.number(open.max_version);
  out.text(open.instance_id, kMaxIdBytes);
  out.bytes(open.nonce, kJoinBytes);
}

void read(Reader& in, Open& open) {
  read_versions(in, open);
  open.instance_id = read_id(in, "instance_id");
  open.nonce = in.bytes("nonce", kJoinBytes);
}

void write(Writer& out, const Challenge& challenge) {
  out.bytes(challenge.nonce, kJoinBytes);
  out.bytes(challenge.proof, kJoinBytes);
}

void read(Reader& in, Challenge& challenge) {
  challenge.nonce = in.bytes("nonce", kJoinBytes);
  challenge.proof = in.bytes("proof", kJoinBytes);
}

void write(Writer& out, const Proof& proof) { out.bytes(proof.proof, kJoinBytes); }

void read(Reader& in, Proof& proof) { proof.proof = in.bytes("proof", kJoinBytes); }

void write(Writer&, const Fill&) {}  // all of it is the frame's body

void write(Writer& out, const Lanes& lanes) {
  out.number(lanes.count);
  out.text(lanes.key, kMaxIdBytes);
}

void read(Reader& in, Lanes& lanes) {
  lanes.count = in.number<std::uint16_t>("count");
  in.require(1 <= lanes.count && lanes.count <= kMaxLanes, "count",
             "is not within 1 and " + std::to_string(kMaxLanes));
  lanes.key = read_id(in, "key");
}

void write(Writer& out, const Lane& lane) {
  out.number(lane.index);
  out.text(lane.key, kMaxIdBytes);
}

void read(Reader& in, Lane& lane) {
  lane.index = in.number<std::uint16_t>("index");
  in.require(lane.index < kMaxLanes, "index", "is not below " + std::to_string(kMaxLanes));
  lane.key = read_id(in, "key");
}

void write(Writer&, const Spread&) {}

void read(Reader&, Spread&) {}

void write(Writer& out, const Batch& batch) { out.number(batch.count); }

void read(Reader& in, Batch& batch) {
  batch.count = in.number<std::uint16_t>("count");
  in.require(1 <= batch.count && batch.count <= kMaxBatch, "count",
             "is not within 1 and " + std::to_string(kMaxBatch));
}

// ---- what the header's id is ------------------------------------------------------------------

template <class T>
concept AboutJob = requires(T message) {
  message.job;
};
template <class T>
concept Correlated = requires(T message) {
  message.id;
};

template <class T>
std::uint64_t id_of(const T& message) {
  if constexpr (AboutJob<T>) return message.job.value;
  if constexpr (Correlated<T>) return message.id;
  return 0;
}

template <class T>
void set_id(Reader& in, T& message, std::uint64_t id) {
  if constexpr (AboutJob<T>) {
    in.require(id != 0, "the frame's id", "is 0, which is no job");
    message.job.value = id;
  } else if constexpr (Correlated<T>) {
    message.id = id;
  } else {
    in.require(id == 0, "the frame's id", "is not 0, though this message is about no job");
  }
}

template <class T>
Result<Message> decode_as(const Frame& frame, std::string_view payload) {
  T message;
  Reader in(to_string(frame.type), payload);
  set_id(in, message, frame.id);
  read(in, message);
  if (Status status = in.finish(); !status.ok()) return status;
  return Message(std::move(message));
}

Result<Message> decode_assign(Frame frame) {
  Result<Message> message =
      decode_as<Assign>(frame, std::string_view(*frame.payload).substr(0, kAssignFieldBytes));
  if (!message.ok()) return message;
  auto& image = std::get<Assign>(*message).image;
  if (frame.payload.use_count() == 1) {
    frame.payload->erase(0, kAssignFieldBytes);
    image = std::move(frame.payload);
  } else {
    image = std::make_shared<const std::string>(*frame.payload, kAssignFieldBytes);
  }
  return message;
}

Result<Message> decode_fill(Frame frame) {
  Reader in(to_string(frame.type), {});
  Fill fill;
  set_id(in, fill, frame.id);
  if (Status status = in.finish(); !status.ok()) return status;
  fill.bytes = std::move(frame.payload);
  return Message(std::move(fill));
}

}  // namespace

FrameType type_of(const Message& message) { return static_cast<FrameType>(message.index() + 1); }

OutgoingFrame encode(const Message& message) {
  return std::visit(
      [&](const auto& m) {
        Writer out;
        write(out, m);
        SharedBytes body;
        if constexpr (std::is_same_v<std::decay_t<decltype(m)>, Assign>) body = m.image;
        if constexpr (std::is_same_v<std::decay_t<decltype(m)>, Fill>) body = m.bytes;
        return make_frame(type_of(message), 0, id_of(m), out.take(), std::move(body));
      },
      message);
}

Result<Message> decode(Frame frame) {
  if (!is_known(frame.type)) {
    return Status(StatusCode::kUnsupported,
                  "unknown frame type " + std::to_string(static_cast<unsigned>(frame.type)));
  }
  if (frame.flags != 0) {
    return Status(StatusCode::kUnsupported, std::string(to_string(frame.type)) + ": flags " +
                                                std::to_string(frame.flags) +
                                                "; this protocol has no flags");
  }
  if (!frame.payload) frame.payload = std::make_shared<std::string>();
  const std::string_view payload = *frame.payload;
  switch (frame.type) {
    case FrameType::kHello:
      return decode_as<Hello>(frame, payload);
    case FrameType::kWelcome:
      return decode_as<Welcome>(frame, payload);
    case FrameType::kRefuse:
      return decode_as<Refuse>(frame, payload);
    case FrameType::kAssign:
      return decode_assign(std::move(frame));
    case FrameType::kOutcome:
      return decode_as<Outcome>(frame, payload);
    case FrameType::kFail:
      return decode_as<Fail>(frame, payload);
    case FrameType::kCancel:
      return decode_as<Cancel>(frame, payload);
    case FrameType::kPing:
      return decode_as<Ping>(frame, payload);
    case FrameType::kPong:
      return decode_as<Pong>(frame, payload);
    case FrameType::kDrain:
      return decode_as<Drain>(frame, payload);
    case FrameType::kBye:
      return decode_as<Bye>(frame, payload);
    case FrameType::kOpen:
      return decode_as<Open>(frame, payload);
    case FrameType::kChallenge:
      return decode_as<Challenge>(frame, payload);
    case FrameType::kProof:
      return decode_as<Proof>(frame, payload);
    case FrameType::kFill:
      return decode_fill(std::move(frame));
    case FrameType::kLanes:
      return decode_as<Lanes>(frame, payload);
    case FrameType::kLane:
      return decode_as<Lane>(frame, payload);
    case FrameType::kSpread:
      return decode_as<Spread>(frame, payload);
    case FrameType::kBatch:
      return decode_as<Batch>(frame, payload);
  }
  return Status(StatusCode::kInternal, "a frame type that is known but not decoded");
}

std::optional<VersionRange> peek_versions(const Frame& frame) {
  if (!frame.payload || frame.payload->size() < 2) return std::nullopt;
  const std::string& payload = *frame.payload;
  return VersionRange{load_big_endian<std::uint8_t>(payload.data()),
                      load_big_endian<std::uint8_t>(payload.data() + 1)};
}

}  // namespace imgrec::proto
