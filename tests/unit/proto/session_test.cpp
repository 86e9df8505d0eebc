#include "proto/session.h"

#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/proto/session_pair.h"

namespace imgrec::proto {
namespace {

using namespace std::chrono_literals;
using testing::bytes_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::only;
using testing::sample_assign;
using testing::sample_fail;
using testing::sample_outcome;
using testing::sent;
using ::testing::SizeIs;

// Both sides registered.
class RegisteredSession : public testing::SessionPair {
 protected:
  RegisteredSession() { register_worker(); }
  void restart(SessionOptions manager_options, SessionOptions worker_options) {
    start(manager_options, worker_options);
    register_worker();
  }
};

TEST(SessionState, AllowsTheTransitionsOfTheTableOnly) {
  using enum SessionState;
  const auto states = {kHandshake, kReady, kDraining, kClosed};
  int allowed = 0;
  for (const auto from : states) {
    for (const auto to : states) allowed += transition_allowed(from, to) ? 1 : 0;
  }
  EXPECT_EQ(allowed, 5);
  EXPECT_TRUE(transition_allowed(kHandshake, kReady));
  EXPECT_TRUE(transition_allowed(kReady, kDraining));
  EXPECT_TRUE(transition_allowed(kHandshake, kClosed));
  EXPECT_TRUE(transition_allowed(kReady, kClosed));
  EXPECT_TRUE(transition_allowed(kDraining, kClosed));
  EXPECT_EQ(to_string(kDraining), "draining");
}

// ---- work -------------------------------------------------------------------------------------

TEST_F(RegisteredSession, CarriesWorkAndAnswers) {
  manager_->assign(sample_assign("pixels"));
  manager_->cancel({JobId{11}, 4, CancelReason::kTimedOut});
  worker_->send_outcome(sample_outcome());
  worker_->send_fail(sample_fail());
  exchange();
  ASSERT_THAT(only<Assign>(to_worker_), SizeIs(1));
  EXPECT_EQ(*only<Assign>(to_worker_)[0].image, "pixels");
  ASSERT_THAT(only<Cancel>(to_worker_), SizeIs(1));
  ASSERT_THAT(only<Outcome>(to_manager_), SizeIs(1));
  EXPECT_EQ(only<Outcome>(to_manager_)[0].job, sample_outcome().job);
  ASSERT_THAT(only<Fail>(to_manager_), SizeIs(1));
}

TEST_F(RegisteredSession, SendsNothingInTheWrongState) {
  ManagerSession manager({}, now_);
  manager.assign(sample_assign());
  manager.cancel({});
  manager.send_drain({});
  EXPECT_THAT(manager.take_output(), IsEmpty());
  WorkerSession worker({}, testing::sample_hello(), now_);
  worker.take_output();
  worker.send_outcome(sample_outcome());
  worker.send_fail(sample_fail());
  worker.send_drain({});
  EXPECT_THAT(worker.take_output(), IsEmpty());
  EXPECT_EQ(worker.state(), SessionState::kHandshake);
}

TEST_F(RegisteredSession, FailsAJobWhoseImageIsTooLargeAndNothingElse) {
  restart({.max_payload_bytes = 100'000}, {});
  const std::size_t largest = 100'000 - kAssignFieldBytes;
  manager_->assign(sample_assign(std::string(largest, 'x')));
  manager_->assign(sample_assign(std::string(largest + 1, 'x')));
  exchange();
  EXPECT_THAT(only<Assign>(to_worker_), SizeIs(1));
  ASSERT_THAT(only<Fail>(to_manager_), SizeIs(1));
  const Fail fail = only<Fail>(to_manager_)[0];
  EXPECT_EQ(fail.job, sample_assign().job);
  EXPECT_EQ(fail.attempt, sample_assign().attempt);
  EXPECT_FALSE(fail.retriable);
  EXPECT_THAT(fail.text, HasSubstr("100001 bytes"));
  EXPECT_EQ(manager_->state(), SessionState::kReady);
}

TEST_F(RegisteredSession, SendsAnAnswerThatIsNoneAsAFailedJob) {
  Outcome outcome = sample_outcome();
  for (const float bad : {std::nanf(""), -0.5f, 2.0f}) {
    outcome.top[1].score = bad;
    worker_->send_outcome(outcome);
  }
  outcome.top.clear();
  worker_->send_outcome(outcome);
  exchange();
  EXPECT_THAT(only<Outcome>(to_manager_), IsEmpty());
  ASSERT_THAT(only<Fail>(to_manager_), SizeIs(4));
  EXPECT_EQ(only<Fail>(to_manager_)[0].code, FailCode::kInference);
  EXPECT_EQ(only<Fail>(to_manager_)[0].job, outcome.job);
  EXPECT_EQ(manager_->state(), SessionState::kReady);
}

TEST_F(RegisteredSession, ClosesOnAClassThatTheWorkerSaidItDoesNotHave) {
  Outcome outcome = sample_outcome();
  outcome.top = {{3, 0.5f}};  // its labels are 0 to 2
  worker_->send_outcome(outcome);
  exchange();
  EXPECT_THAT(only<Outcome>(to_manager_), IsEmpty());
  EXPECT_THAT(manager_->close_reason().message(), HasSubstr("names class 3"));
  ASSERT_THAT(only<Bye>(to_worker_), SizeIs(1));
  EXPECT_THAT(only<Bye>(to_worker_)[0].reason, HasSubstr("names class 3"));
}

// ---- protocol errors --------------------------------------------------------------------------

TEST_F(RegisteredSession, RefusesMessagesOfTheOtherDirection) {
  const auto refused_by = [&](Session& session, const Message& message) {
    session.feed(bytes_of(message).substr(0, kHeaderBytes), now_);
    return session.state() == SessionState::kClosed &&
           session.close_reason().code() == StatusCode::kFailedPrecondition;
  };
  for (const Message& message : testing::sample_messages()) {
    const FrameType type = type_of(message);
    using enum FrameType;
    const bool both = type == kPing || type == kPong || type == kDrain || type == kBye;
    const bool to_manager = both || type == kOutcome || type == kFail;
    const bool to_worker = both || type == kAssign || type == kCancel;
    start({}, {});
    register_worker();
    EXPECT_EQ(refused_by(*manager_, message), !to_manager) << to_string(type);
    EXPECT_EQ(refused_by(*worker_, message), !to_worker) << to_string(type);
  }
}

TEST_F(RegisteredSession, SaysByeWithTheReasonOfAProtocolError) {
  manager_->feed("HTTP", now_);
  EXPECT_EQ(manager_->close_reason().code(), StatusCode::kInvalidArgument);
  exchange();
  ASSERT_THAT(only<Bye>(to_worker_), SizeIs(1));
  EXPECT_THAT(only<Bye>(to_worker_)[0].reason, HasSubstr("bad magic"));
}

TEST_F(RegisteredSession, KeepsWhatCameBeforeAnErrorAndDropsWhatComesAfter) {
  const std::string good = bytes_of(Message(sample_outcome()));
  manager_->feed(good + "no frame at all" + good, now_);
  EXPECT_EQ(manager_->state(), SessionState::kClosed);
  EXPECT_THAT(manager_->take_messages(), SizeIs(1));
  manager_->feed(good, now_);
  EXPECT_THAT(manager_->take_messages(), IsEmpty());
}

TEST_F(RegisteredSession, SendsNothingOnceClosed) {
  manager_->on_disconnect("gone");
  manager_->assign(sample_assign());
  manager_->cancel({JobId{1}, 1, CancelReason::kDeleted});
  manager_->send_drain({});
  manager_->send_bye("too late");
  manager_->refuse({});
  manager_->on_tick(now_ + 1h);
  EXPECT_THAT(manager_->take_output(), IsEmpty());
  EXPECT_EQ(manager_->close_reason().message(), "gone") << "the first reason stays";
  EXPECT_FALSE(manager_->next_deadline());
}

TEST_F(RegisteredSession, TellsACutInTheMiddleOfAFrame) {
  manager_->feed(bytes_of(Message(sample_outcome())).substr(0, 40), now_);
  manager_->on_disconnect("the worker closed the connection");
  EXPECT_EQ(manager_->close_reason().message(),
            "the worker closed the connection, in the middle of a frame");
}

// ---- heartbeats -------------------------------------------------------------------------------

TEST_F(RegisteredSession, StaysAliveForHoursOnPingAndPongAlone) {
  wait(3h);
  EXPECT_EQ(manager_->state(), SessionState::kReady);
  EXPECT_EQ(worker_->state(), SessionState::kReady);
  EXPECT_THAT(to_manager_, SizeIs(1)) << "PING and PONG are not delivered: HELLO only";
}

TEST_F(RegisteredSession, PingsOncePerHeartbeat) {
  wait(5500ms, false);
  int pings = 0;
  for (const Message& message : testing::decode_all(lost_)) {
    pings += std::holds_alternative<Ping>(message) ? 1 : 0;
  }
  EXPECT_EQ(pings, 2 * 5);
}

TEST_F(RegisteredSession, PingsAsOftenAsTheManagerAsks) {
  restart({.heartbeat = 250ms}, {.heartbeat = 5s});
  EXPECT_EQ(worker_->next_deadline(), now_ + 250ms);
}

TEST_F(RegisteredSession, GivesASlowHeartbeatItsTime) {
  restart({.heartbeat = 30s, .dead_after = 10s}, {.dead_after = 10s});
  wait(5min);
  EXPECT_EQ(manager_->state(), SessionState::kReady);
  EXPECT_EQ(worker_->state(), SessionState::kReady);
}

TEST_F(RegisteredSession, DiesWhenNothingIsHeard) {
  const TimePoint heard = now_;
  wait(9'999ms, false);
  EXPECT_EQ(manager_->state(), SessionState::kReady);
  wait(1ms, false);
  EXPECT_EQ(now_, heard + 10s);
  for (const Session* session :
       {static_cast<Session*>(&*manager_), static_cast<Session*>(&*worker_)}) {
    ASSERT_EQ(session->state(), SessionState::kClosed);
    EXPECT_EQ(session->close_reason().code(), StatusCode::kDeadlineExceeded);
    EXPECT_THAT(session->close_reason().message(), HasSubstr("nothing heard for 10000 ms"));
  }
}

TEST_F(RegisteredSession, ALargeFrameInTransferKeepsTheLinkAlive) {
  manager_->assign(sample_assign(std::string(100'000, 'x')));
  const std::string bytes = bytes_of(manager_->take_output());
  // One hundredth every nine seconds: fifteen minutes, without a PONG in between.
  for (std::size_t at = 0; at < bytes.size(); at += 1000) {
    now_ += 9s;
    worker_->on_tick(now_);
    worker_->feed(std::string_view(bytes).substr(at, 1000), now_);
    ASSERT_EQ(worker_->state(), SessionState::kReady) << at;
  }
  EXPECT_THAT(only<Assign>(worker_->take_messages()), SizeIs(1));
}

TEST_F(RegisteredSession, AnswersPingWithItsIdTimeStampAndLoad) {
  worker_->set_load({3, 2});
  worker_->feed(bytes_of(Message(Ping{42, 1234, {7, 8}})), now_);
  const auto pongs = only<Pong>(sent(*worker_));
  ASSERT_THAT(pongs, SizeIs(1));
  EXPECT_EQ(pongs[0].id, 42u);
  EXPECT_EQ(pongs[0].sent_us, 1234u);
  EXPECT_EQ(pongs[0].load.queued, 3);
  EXPECT_EQ(pongs[0].load.running, 2);
  EXPECT_EQ(worker_->peer_load().queued, 7);
  EXPECT_EQ(worker_->peer_load().running, 8);
}

TEST_F(RegisteredSession, TellsTheLoadWithPing) {
  worker_->set_load({4, 1});
  wait(1s);
  EXPECT_EQ(manager_->peer_load().queued, 4);
  EXPECT_EQ(manager_->peer_load().running, 1);
}

// ---- round trip -------------------------------------------------------------------------------

TEST_F(RegisteredSession, MeasuresTheRoundTrip) {
  EXPECT_FALSE(worker_->rtt());
  now_ += 1s;
  worker_->on_tick(now_);
  exchange(20ms);
  EXPECT_EQ(worker_->rtt(), 40ms);
}

TEST_F(RegisteredSession, SmoothsTheRoundTripByAnEighth) {
  now_ += 1s;
  worker_->on_tick(now_);
  exchange(20ms);
  now_ += 1s;
  worker_->on_tick(now_);
  exchange(60ms);
  EXPECT_EQ(worker_->rtt(), 40ms + (120ms - 40ms) / 8);
}

TEST_F(RegisteredSession, GivesARoundTripOutOncePerPong) {
  EXPECT_FALSE(worker_->take_measured_rtt());
  now_ += 1s;
  worker_->on_tick(now_);
  exchange(20ms);
  EXPECT_EQ(worker_->take_measured_rtt(), 40ms);
  EXPECT_FALSE(worker_->take_measured_rtt());
  worker_->feed(bytes_of(Message(Pong{99, 0, {}})), now_);  // nobody asked for it
  EXPECT_FALSE(worker_->take_measured_rtt());
  EXPECT_EQ(worker_->rtt(), 40ms) << "taken, and still known";
  now_ += 1s;
  worker_->on_tick(now_);
  exchange(5ms);
  EXPECT_EQ(worker_->take_measured_rtt(), 10ms) << "as measured, not smoothed";
}

TEST_F(RegisteredSession, MatchesEachPongWithItsOwnPing) {
  now_ += 1s;
  worker_->on_tick(now_);
  now_ += 1s;
  worker_->on_tick(now_);  // the first is still on its way
  ASSERT_THAT(only<Ping>(sent(*worker_)), SizeIs(2));
  now_ += 500ms;
  worker_->feed(bytes_of(Message(Pong{1, 0, {}})), now_);
  EXPECT_EQ(worker_->rtt(), 1500ms);
  worker_->feed(bytes_of(Message(Pong{2, 0, {}})), now_);
  EXPECT_EQ(worker_->rtt(), 1500ms - 1000ms / 8);
}

TEST_F(RegisteredSession, IgnoresPongsThatItDidNotAskFor) {
  worker_->feed(bytes_of(Message(Pong{1, 0, {}})), now_);
  now_ += 1s;
  worker_->on_tick(now_);
  worker_->feed(bytes_of(Message(Pong{99, 0, {}})), now_);
  EXPECT_FALSE(worker_->rtt());
  now_ += 10ms;
  worker_->feed(bytes_of(Message(Pong{1, 0, {}})), now_);
  worker_->feed(bytes_of(Message(Pong{1, 0, {}})), now_ + 5s);  // once more
  EXPECT_EQ(worker_->rtt(), 10ms);
}

TEST_F(RegisteredSession, ManagerMeasuresTheRoundTripAtOnce) {
  start({}, {});
  exchange();
  manager_->welcome(WorkerId{5}, "manager-1", now_);
  exchange(20ms);
  EXPECT_EQ(manager_->rtt(), 40ms);
}

// ---- leaving ----------------------------------------------------------------------------------

TEST_F(RegisteredSession, AWorkerDrainsAndAnswersWhatItHas) {
  manager_->assign(sample_assign());
  worker_->send_drain({5s, "the node is being emptied"});
  EXPECT_EQ(worker_->state(), SessionState::kDraining);
  exchange();
  ASSERT_THAT(only<Drain>(to_manager_), SizeIs(1));
  EXPECT_EQ(only<Drain>(to_manager_)[0].deadline, 5s);
  EXPECT_EQ(manager_->state(), SessionState::kDraining);
  EXPECT_THAT(only<Assign>(to_worker_), SizeIs(1)) << "it was under way when the worker drained";
  manager_->assign(sample_assign());
  manager_->cancel({JobId{1}, 1, CancelReason::kDeleted});
  worker_->send_outcome(sample_outcome());
  worker_->send_bye("drained");
  exchange();
  EXPECT_THAT(only<Assign>(to_worker_), SizeIs(1)) << "nothing new to a draining worker";
  EXPECT_THAT(only<Outcome>(to_manager_), SizeIs(1));
  EXPECT_THAT(only<Bye>(to_manager_), SizeIs(1));
  EXPECT_EQ(manager_->state(), SessionState::kClosed);
  EXPECT_TRUE(manager_->close_reason().ok());
  EXPECT_TRUE(worker_->close_reason().ok());
}

TEST_F(RegisteredSession, AManagerDrainsAndTakesTheAnswers) {
  manager_->send_drain({10s, "shutting down"});
  exchange();
  EXPECT_EQ(worker_->state(), SessionState::kDraining);
  ASSERT_THAT(only<Drain>(to_worker_), SizeIs(1));
  worker_->send_fail(sample_fail());
  exchange();
  EXPECT_THAT(only<Fail>(to_manager_), SizeIs(1));
  wait(1min);
  EXPECT_EQ(manager_->state(), SessionState::kDraining) << "heartbeats go on";
}

TEST_F(RegisteredSession, BothMayDrainAtTheSameTime) {
  manager_->send_drain({});
  worker_->send_drain({});
  exchange();
  EXPECT_EQ(manager_->state(), SessionState::kDraining);
  EXPECT_EQ(worker_->state(), SessionState::kDraining);
  EXPECT_THAT(only<Drain>(to_manager_), SizeIs(1));
  EXPECT_THAT(only<Drain>(to_worker_), SizeIs(1));
}

TEST_F(RegisteredSession, ByeEndsItAtOnce) {
  manager_->send_bye("the manager is shutting down");
  EXPECT_EQ(manager_->state(), SessionState::kClosed);
  exchange();
  ASSERT_THAT(only<Bye>(to_worker_), SizeIs(1));
  EXPECT_EQ(only<Bye>(to_worker_)[0].reason, "the manager is shutting down");
  EXPECT_TRUE(worker_->close_reason().ok());
  worker_->on_disconnect("the manager closed the connection");
  EXPECT_TRUE(worker_->close_reason().ok()) << "it was announced";
}

}  // namespace
}  // namespace imgrec::proto
