// Any bytes, in any slices and at any pace, to a manager's or a worker's session whose shell does
// what shells do. Input: one byte that chooses side and habits, one that chooses slices and pace,
// then what the peer sends.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "proto/session.h"
#include "tests/fuzz/byte_source.h"
#include "tests/unit/proto/fake_join_token.h"

namespace {

using namespace imgrec;
using imgrec::fuzz::require;
using proto::SessionState;

const proto::TimePoint kStart = proto::TimePoint(std::chrono::hours(1));

proto::Hello our_hello() {
  proto::Hello hello;
  hello.name = "w";
  hello.instance_id = "instance";
  hello.model_name = "demo";
  hello.model_digest = "digest";
  hello.labels = {"cat", "dog"};
  return hello;
}

// What a session sends, read as its peer would: every frame is good.
class Reader {
 public:
  void read(proto::Session& session) {
    for (const auto& frame : session.take_output()) {
      decoder_.feed(frame.head);
      if (frame.body) decoder_.feed(*frame.body);
      for (;;) {
        auto got = decoder_.next();
        require(got.ok());
        if (!*got) break;
        require(proto::decode(std::move(**got)).ok());
      }
    }
    require(decoder_.at_boundary());
  }

 private:
  proto::FrameDecoder decoder_;
};

void act_as_manager(proto::ManagerSession& session, const proto::Message& message,
                    std::uint8_t habits, proto::TimePoint now) {
  if (std::holds_alternative<proto::Hello>(message)) {
    if (habits & 2) {
      session.welcome(WorkerId{1}, "manager", now);
    } else {
      session.refuse({proto::RefuseCode::kFull, true, std::chrono::seconds(1), "no room"});
    }
  }
  if (std::holds_alternative<proto::Outcome>(message)) {
    session.assign({JobId{2}, 1, {}, 5, std::make_shared<const std::string>("image")});
    session.cancel({JobId{2}, 1, proto::CancelReason::kDeleted});
  }
  if (std::holds_alternative<proto::Fail>(message) && (habits & 4)) session.send_drain({});
}

void act_as_worker(proto::WorkerSession& session, const proto::Message& message,
                   std::uint8_t habits) {
  if (const auto* assign = std::get_if<proto::Assign>(&message)) {
    require(assign->image != nullptr);
    session.send_outcome({assign->job, assign->attempt, {}, false, {{1, 0.5f}}});
  }
  if (const auto* cancel = std::get_if<proto::Cancel>(&message)) {
    session.send_fail(
        {cancel->job, cancel->attempt, proto::FailCode::kDraining, true, "handed back"});
    if (habits & 4) session.send_drain({});
    if (habits & 8) session.send_bye("enough");
  }
}

template <class SessionType, class Shell>
void converse(SessionType& session, std::string_view stream, std::uint8_t seed, Shell shell) {
  Reader peer;
  proto::TimePoint now = kStart;
  SessionState before = session.state();
  peer.read(session);  // a worker's HELLO goes out at once
  for (fuzz::Slicer slices(stream, seed); !slices.done();) {
    session.feed(slices.next(), now);
    for (const auto& message : session.take_messages()) shell(session, message, now);
    peer.read(session);
    now += std::chrono::milliseconds(slices.draw() % 3000);
    const auto due = session.next_deadline();
    require(due.has_value() == (session.state() != SessionState::kClosed));
    if (due && *due <= now) session.on_tick(now);
    const auto later = session.next_deadline();
    require(!later || *later > now);  // else the shell's timer would spin
    peer.read(session);
    // A feed may pass through several states, never back.
    require(session.state() >= before);
    before = session.state();
  }
  session.on_disconnect("the end of the input");
  require(session.state() == SessionState::kClosed);
  require(session.take_output().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::ByteSource input(data, size);
  const std::uint8_t habits = input.byte();
  const std::uint8_t seed = input.byte();
  proto::SessionOptions options;
  if (habits & 16) options.join_token = std::make_shared<proto::testing::FakeJoinToken>("secret");
  if (habits & 1) {
    proto::ManagerSession session(options, kStart);
    converse(session, input.rest(), seed, [&](auto& self, const auto& message, auto now) {
      act_as_manager(self, message, habits, now);
    });
  } else {
    proto::WorkerSession session(options, our_hello(), kStart);
    converse(session, input.rest(), seed,
             [&](auto& self, const auto& message, auto) { act_as_worker(self, message, habits); });
  }
  return 0;
}
