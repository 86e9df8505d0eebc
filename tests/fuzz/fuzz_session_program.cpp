// A program of calls, messages and mishaps against a manager's session, a worker's, or both of them
// on one bad line. Input: one byte that chooses the side, then operations with their arguments.
// session_watch.h says what must hold after each of them.
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proto/crc32c.h"
#include "proto/session.h"
#include "proto/wire.h"
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/session_watch.h"

namespace {

using namespace imgrec;
using fuzz::require;
using fuzz::Side;
using proto::SessionState;
using std::chrono::milliseconds;

const proto::TimePoint kStart = proto::TimePoint(std::chrono::hours(1));
constexpr std::size_t kLabels = 3;
constexpr std::size_t kMostImage = 2048;

proto::Hello hello_of(std::uint8_t value) {
  proto::Hello hello;
  hello.min_version = value % 32 == 31 ? 2 : 1;
  hello.max_version = static_cast<std::uint8_t>(hello.min_version + (value >> 6));
  hello.name = "w";
  hello.instance_id = "instance";
  hello.model_name = "demo";
  hello.model_digest = "digest";
  hello.labels.assign(1 + value % kLabels, "label");
  return hello;
}

proto::Hello our_hello() {
  proto::Hello hello = hello_of(0);
  hello.labels.assign(kLabels, "label");
  return hello;
}

proto::Assign assign_of(std::uint8_t value, std::size_t bytes) {
  return {JobId{1u + value % 4}, 1u + value / 64, milliseconds(value), 5,
          std::make_shared<const std::string>(bytes, 'x')};
}

proto::Outcome outcome_of(std::uint8_t value) {
  proto::Outcome outcome;
  outcome.job = JobId{1u + value % 4};
  outcome.attempt = 1u + value / 64;
  outcome.from_cache = value & 16;
  if (value % 16 != 15) outcome.top = {{value % 8 == 7 ? 9u : value % 3u, 0.5f}, {0, 0.25f}};
  if (value % 32 == 30) outcome.top[0].score = std::nanf("");
  return outcome;
}

proto::Message message_of(std::uint8_t kind, std::uint8_t value) {
  switch (static_cast<proto::FrameType>(1 + kind % 18)) {
    case proto::FrameType::kHello:
      return hello_of(value);
    case proto::FrameType::kWelcome:
      return proto::Welcome{static_cast<std::uint8_t>(value % 16 == 15 ? 2 : 1), WorkerId{1},
                            "manager", milliseconds(1 << value % 20),
                            value % 32 == 31 ? 1u << 31 : proto::kMinMaxPayloadBytes};
    case proto::FrameType::kRefuse:
      return proto::Refuse{static_cast<proto::RefuseCode>(1 + value % 6), (value & 8) != 0,
                           milliseconds(value), "no"};
    case proto::FrameType::kAssign:
      return assign_of(value, value * 8u);
    case proto::FrameType::kOutcome:
      return outcome_of(value);
    case proto::FrameType::kFail:
      return proto::Fail{JobId{1u + value % 4}, 1u + value / 64,
                         static_cast<proto::FailCode>(1 + value % 8), (value & 8) != 0, "broken"};
    case proto::FrameType::kCancel:
      return proto::Cancel{JobId{1u + value % 4}, 1u + value / 64,
                           static_cast<proto::CancelReason>(1 + value % 3)};
    case proto::FrameType::kPing:
      return proto::Ping{value, value, {value, 1}};
    case proto::FrameType::kPong:
      return proto::Pong{1u + value % 8, value, {1, value}};
    case proto::FrameType::kDrain:
      return proto::Drain{milliseconds(value), "leaving"};
    case proto::FrameType::kOpen:
      return proto::Open{1, 1, "instance",
                         std::string(proto::kJoinBytes, static_cast<char>(value))};
    case proto::FrameType::kChallenge:
      return proto::Challenge{std::string(proto::kJoinBytes, static_cast<char>(value)),
                              std::string(proto::kJoinBytes, 'p')};
    case proto::FrameType::kProof:
      return proto::Proof{std::string(proto::kJoinBytes, static_cast<char>(value))};
    case proto::FrameType::kFill:
      return proto::Fill{std::make_shared<const std::string>(value, 'f')};
    case proto::FrameType::kLanes:
      return proto::Lanes{static_cast<std::uint16_t>(1 + value % proto::kMaxLanes), "key"};
    case proto::FrameType::kLane:
      return proto::Lane{static_cast<std::uint16_t>(value % proto::kMaxLanes), "key"};
    case proto::FrameType::kSpread:
      return proto::Spread{};
    case proto::FrameType::kBatch:
      return proto::Batch{static_cast<std::uint16_t>(1 + value % proto::kMaxBatch)};
    case proto::FrameType::kBye:
      break;
  }
  return proto::Bye{"done"};
}

std::string bytes_of(const proto::Message& message) {
  const proto::OutgoingFrame frame = proto::encode(message);
  return frame.body ? frame.head + *frame.body : frame.head;
}

// One byte changed; the sums are right again where `mend` says so.
std::string damaged(std::string bytes, std::uint8_t at, std::uint8_t by, bool mend) {
  bytes[at % bytes.size()] = static_cast<char>(bytes[at % bytes.size()] ^ (by | 1));
  if (!mend) return bytes;
  const std::string_view payload = std::string_view(bytes).substr(proto::kHeaderBytes);
  proto::store_big_endian(proto::crc32c(payload), bytes.data() + 12);
  proto::store_big_endian(proto::crc32c({bytes.data(), 24}), bytes.data() + 24);
  return bytes;
}

// What a shell may ask for. Returns how many bytes it wants sent at most.
std::size_t call(proto::ManagerSession& session, std::uint8_t what, std::uint8_t value,
                 proto::TimePoint now) {
  const std::size_t image = value == 255 ? proto::kMinMaxPayloadBytes : value * 8u;
  switch (what % 8) {
    case 0:
    case 1:
      session.welcome(WorkerId{1}, "manager", now);
      break;
    case 2:
      session.refuse({proto::RefuseCode::kFull, (value & 1) != 0, milliseconds(value), "no room"});
      break;
    case 3:
    case 4:
      session.assign(assign_of(value, image));
      return image + 64;
    case 5:
      session.cancel({JobId{1u + value % 4}, 1, proto::CancelReason::kDeleted});
      break;
    case 6:
      session.send_drain({milliseconds(value), "leaving"});
      break;
    default:
      if (value % 4 == 1) {
        session.lanes({static_cast<std::uint16_t>(1 + value % proto::kMaxLanes), "key"});
      } else if (value % 4 == 2) {
        session.spread();
      } else {
        session.send_bye("enough");
      }
  }
  return 256;
}

std::size_t call(proto::WorkerSession& session, std::uint8_t what, std::uint8_t value,
                 proto::TimePoint) {
  switch (what % 8) {
    case 0:
    case 1:
    case 2:
      session.send_outcome(outcome_of(value));
      break;
    case 3:
    case 4:
    case 5:
      session.send_fail(
          {JobId{1u + value % 4}, 1, proto::FailCode::kDraining, true, "handed back"});
      break;
    case 6:
      session.send_drain({milliseconds(value), "leaving"});
      break;
    default:
      session.send_bye("enough");
  }
  return 256;
}

// A session and its watch; every call goes through here.
template <class SessionType>
struct Watched {
  template <class... Arguments>
  explicit Watched(Side side, Arguments&&... arguments)
      : watch(side), session(std::forward<Arguments>(arguments)...) {
    watch.giving(256);  // a worker's HELLO
  }
  std::string feed(std::string_view bytes, proto::TimePoint now) {
    watch.feeding(bytes.size());
    session.feed(bytes, now);
    return watch.check(session, now);
  }
  std::string ask(std::uint8_t what, std::uint8_t value, proto::TimePoint now) {
    watch.giving(call(session, what, value, now));
    return watch.check(session, now);
  }
  // As a shell does whose timer may be late: the session is ticked when its time has come.
  std::string pass_time(proto::TimePoint now) {
    const auto due = session.next_deadline();
    if (due && *due <= now) {
      session.on_tick(now);
      const auto later = session.next_deadline();
      require(!later || *later > now);  // else the shell's timer would spin
    }
    return watch.check(session, now);
  }
  std::string disconnect(proto::TimePoint now) {
    if (session.state() != SessionState::kClosed) watch.disconnecting();
    session.on_disconnect("the line was cut");
    require(session.state() == SessionState::kClosed);
    return watch.check(session, now);
  }
  fuzz::SessionWatch watch;
  SessionType session;
};

proto::TimePoint later(proto::TimePoint now, std::uint8_t by) {
  return now + milliseconds(by * by);
}

// The peer is the input.
template <class SessionType>
void run_alone(Watched<SessionType>& side, fuzz::ByteSource& program) {
  proto::TimePoint now = kStart;
  side.watch.check(side.session, now);
  while (!program.rest().empty()) {
    const std::uint8_t op = program.byte();
    const std::uint8_t value = program.byte();
    const auto kind = static_cast<std::uint8_t>(op >> 4);
    switch (op % 16) {
      case 4:
        side.feed(
            damaged(bytes_of(message_of(kind, value)), program.byte(), program.byte(), value & 1),
            now);
        break;
      case 5: {
        const std::string_view raw = program.rest().substr(0, value);
        for (std::size_t i = 0; i < raw.size(); ++i) program.byte();
        side.feed(raw, now);
        break;
      }
      case 6: {
        const std::string bytes = bytes_of(message_of(kind, value));
        for (fuzz::Slicer slices(bytes, value); !slices.done();) side.feed(slices.next(), now);
        break;
      }
      case 7:
      case 8:
        now = later(now, value);
        side.pass_time(now);
        break;
      case 9:
      case 10:
      case 11:
        side.ask(kind, value, now);
        break;
      case 12:
        side.session.set_load({value, kind});
        side.watch.check(side.session, now);
        break;
      case 13:
        now = later(now, value);  // a timer that is late
        break;
      case 14:
        if (value % 8 == 0) side.disconnect(now);
        break;
      case 15:
        side.session.on_tick(now);  // a timer that came too soon
        side.watch.check(side.session, now);
        break;
      default:
        side.feed(bytes_of(message_of(kind, value)), now);
    }
  }
  side.disconnect(now);
}

// ---- both sides on one line -------------------------------------------------------------------

class Line {
 public:
  void put(std::string_view bytes) { waiting_ += bytes; }
  std::string take(std::size_t count) {
    std::string bytes = waiting_.substr(0, count);
    waiting_.erase(0, bytes.size());
    return bytes;
  }
  bool empty() const { return waiting_.empty(); }
  // False: nothing was there to be damaged.
  bool corrupt(std::uint8_t at, std::uint8_t by) {
    if (waiting_.empty()) return false;
    char& byte = waiting_[at % waiting_.size()];
    byte = static_cast<char>(byte ^ (by | 1));
    return true;
  }
  void lose(std::uint8_t at, std::uint8_t count) {
    if (at < waiting_.size()) waiting_.erase(at, count);
  }
  void repeat(std::uint8_t at, std::uint8_t count) {
    if (at < waiting_.size()) waiting_.insert(at, waiting_.substr(at, count));
  }

 private:
  std::string waiting_;
};

class Pair {
 public:
  Pair()
      : manager_(Side::kManager, proto::SessionOptions{}, kStart),
        worker_(Side::kWorker, proto::SessionOptions{}, our_hello(), kStart) {
    up_.put(worker_.watch.check(worker_.session, now_));
    down_.put(manager_.watch.check(manager_.session, now_));
  }

  void run(fuzz::ByteSource& program) {
    while (!program.rest().empty()) {
      const std::uint8_t op = program.byte();
      step(op, program.byte(), program);
      check();
    }
    finish();
  }

 private:
  void step(std::uint8_t op, std::uint8_t value, fuzz::ByteSource& program) {
    Line& line = op & 16 ? up_ : down_;
    switch (op % 16) {
      case 0:
      case 1:
      case 2:
        return carry(op & 16, op & 32 ? kMostImage * 4 : value);
      case 3:
      case 4:
        return down_.put(manager_.ask(static_cast<std::uint8_t>(op >> 5), value & 127, now_));
      case 5:
      case 6:
        lied_ = lied_ || value % 8 == 7;  // a class without a label: its manager may hang up
        return up_.put(worker_.ask(static_cast<std::uint8_t>(op >> 5), value, now_));
      case 7:
      case 8:
      case 9:
        now_ = later(now_, op & 32 ? value / 8 : value);
        down_.put(manager_.pass_time(now_));
        return up_.put(worker_.pass_time(now_));
      case 10:
        damaged_ = line.corrupt(value, program.byte()) || damaged_;
        return;
      case 11:
        damaged_ = mangled_ = true;
        return line.lose(value, program.byte());
      case 12:
        damaged_ = mangled_ = true;
        return line.repeat(value, program.byte());
      case 13:
        if (value % 8 == 0) cut();
        return;
      default:
        return carry(op & 16, 1);
    }
  }

  void carry(bool up, std::size_t count) {
    if (up) {
      down_.put(manager_.feed(up_.take(count), now_));
    } else {
      up_.put(worker_.feed(down_.take(count), now_));
    }
  }

  void cut() {
    manager_.disconnect(now_);
    worker_.disconnect(now_);
  }

  static bool is_prefix(const std::vector<std::string>& part,
                        const std::vector<std::string>& whole) {
    return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
  }

  // Nobody hears what the other did not say, also where bytes were changed on the way (the sums
  // find that); and on an undamaged line nobody finds fault with the other.
  void check() const {
    if (!mangled_) {
      require(is_prefix(manager_.watch.delivered(), worker_.watch.sent()));
      require(is_prefix(worker_.watch.delivered(), manager_.watch.sent()));
    }
    if (!damaged_ && !lied_) {
      check_blameless(manager_.session);
      check_blameless(worker_.session);
    }
  }

  static void check_blameless(const proto::Session& session) {
    if (session.state() != SessionState::kClosed) return;
    const StatusCode code = session.close_reason().code();
    require(code == StatusCode::kOk || code == StatusCode::kUnavailable ||
            code == StatusCode::kFailedPrecondition || code == StatusCode::kDeadlineExceeded);
  }

  // What is still on the line arrives; then, if all went well, everything has been heard.
  void finish() {
    for (int round = 0; round < 8 && !(up_.empty() && down_.empty()); ++round) {
      carry(true, SIZE_MAX);
      carry(false, SIZE_MAX);
      check();
    }
    const bool both_open = manager_.session.state() != SessionState::kClosed &&
                           worker_.session.state() != SessionState::kClosed;
    if (both_open && !damaged_) {
      require(manager_.watch.delivered() == worker_.watch.sent());
      require(worker_.watch.delivered() == manager_.watch.sent());
    }
    cut();
  }

  proto::TimePoint now_ = kStart;
  Watched<proto::ManagerSession> manager_;
  Watched<proto::WorkerSession> worker_;
  Line up_;    // worker to manager
  Line down_;  // manager to worker
  bool damaged_ = false;
  bool mangled_ = false;  // bytes lost or repeated: whole frames may be, which no sum finds
  bool lied_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::ByteSource program(data, size);
  proto::SessionOptions options;
  options.max_payload_bytes = proto::kMinMaxPayloadBytes;
  switch (program.byte() % 3) {
    case 0: {
      Watched<proto::ManagerSession> manager(Side::kManager, options, kStart);
      run_alone(manager, program);
      break;
    }
    case 1: {
      Watched<proto::WorkerSession> worker(Side::kWorker, options, our_hello(), kStart);
      run_alone(worker, program);
      break;
    }
    default:
      Pair().run(program);
  }
  return 0;
}
