#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/session.h"
#include "tests/unit/proto/session_pair.h"

namespace imgrec::proto {
namespace {

using namespace std::chrono_literals;
using testing::bytes_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kStart;
using testing::only;
using testing::sample_hello;
using testing::sample_welcome;
using testing::sent;
using ::testing::SizeIs;

class Handshake : public testing::SessionPair {};

TEST_F(Handshake, SendsHelloAtOnce) {
  const auto messages = sent(*worker_);
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(std::get<Hello>(messages[0]).name, sample_hello().name);
}

TEST_F(Handshake, DeliversHelloThenWelcomeAndRegistersBoth) {
  register_worker();
  EXPECT_EQ(only<Hello>(to_manager_)[0].labels, sample_hello().labels);
  ASSERT_THAT(only<Welcome>(to_worker_), SizeIs(1));
  const Welcome welcome = only<Welcome>(to_worker_)[0];
  EXPECT_EQ(welcome.worker, WorkerId{5});
  EXPECT_EQ(welcome.manager_id, "manager-1");
  EXPECT_EQ(welcome.version, 1) << "the most that this worker speaks";
  EXPECT_EQ(welcome.heartbeat, SessionOptions{}.heartbeat);
  EXPECT_EQ(welcome.max_payload_bytes, SessionOptions{}.max_payload_bytes);
}

TEST_F(Handshake, ChoosesTheHighestVersionThatBothSpeak) {
  Hello hello = sample_hello();
  hello.max_version = 9;
  start({}, {}, hello);
  register_worker();
  EXPECT_EQ(only<Welcome>(to_worker_)[0].version, kMaxProtocolVersion);
}

TEST_F(Handshake, RefusesAWorkerWithoutACommonVersionInWords) {
  Hello hello = sample_hello();
  hello.min_version = 4;
  hello.max_version = 5;
  start({}, {}, hello);
  exchange();
  EXPECT_THAT(to_manager_, IsEmpty()) << "refused before it is delivered";
  EXPECT_EQ(manager_->state(), SessionState::kClosed);
  ASSERT_THAT(only<Refuse>(to_worker_), SizeIs(1));
  const Refuse refuse = only<Refuse>(to_worker_)[0];
  EXPECT_EQ(refuse.code, RefuseCode::kVersion);
  EXPECT_FALSE(refuse.retry);
  EXPECT_THAT(refuse.reason, HasSubstr("version 4 to 5, this manager 1 to 3"));
  EXPECT_EQ(worker_->state(), SessionState::kClosed);
  EXPECT_THAT(worker_->close_reason().message(), HasSubstr("refused this worker"));
}

TEST_F(Handshake, TellsVersionsApartThoughItCannotReadTheRest) {
  manager_->feed(bytes_of(make_frame(FrameType::kHello, 0, 0, "\x07\x08 laid out otherwise")),
                 now_);
  const auto messages = sent(*manager_);
  ASSERT_THAT(only<Refuse>(messages), SizeIs(1));
  EXPECT_EQ(only<Refuse>(messages)[0].code, RefuseCode::kVersion);
}

TEST_F(Handshake, RefusesAHelloThatItCannotRead) {
  manager_->feed(bytes_of(make_frame(FrameType::kHello, 0, 0, "\x01\x01 no hello")), now_);
  const auto messages = sent(*manager_);
  ASSERT_THAT(only<Refuse>(messages), SizeIs(1));
  EXPECT_EQ(only<Refuse>(messages)[0].code, RefuseCode::kBadHello);
  EXPECT_FALSE(only<Refuse>(messages)[0].retry);
  EXPECT_EQ(manager_->close_reason().code(), StatusCode::kInvalidArgument);
}

TEST_F(Handshake, AsksForAnotherTryWhereBytesWereDamaged) {
  std::string hello = bytes_of(worker_->take_output());
  hello.back() ^= 1;
  manager_->feed(hello, now_);
  const auto messages = sent(*manager_);
  ASSERT_THAT(only<Refuse>(messages), SizeIs(1));
  EXPECT_TRUE(only<Refuse>(messages)[0].retry);
  EXPECT_GT(only<Refuse>(messages)[0].retry_after, 0ms);
}

TEST_F(Handshake, RefusesByTheShellsDecision) {
  exchange();
  manager_->refuse({RefuseCode::kModel, true, 3s, "another model serves"});
  EXPECT_EQ(manager_->state(), SessionState::kClosed);
  EXPECT_THAT(manager_->close_reason().message(), HasSubstr("another model serves"));
  exchange();
  ASSERT_THAT(only<Refuse>(to_worker_), SizeIs(1));
  EXPECT_EQ(only<Refuse>(to_worker_)[0].retry_after, 3s);
  EXPECT_EQ(worker_->close_reason().code(), StatusCode::kUnavailable) << "trying again makes sense";
}

TEST_F(Handshake, TakesNothingButHelloBeforeIt) {
  for (const Message& message : testing::sample_messages()) {
    const FrameType type = type_of(message);
    if (type == FrameType::kHello || type == FrameType::kOpen || type == FrameType::kLane ||
        type == FrameType::kBye) {
      continue;
    }
    ManagerSession manager({}, now_);
    manager.feed(bytes_of(message).substr(0, kHeaderBytes), now_);  // its header is enough
    ASSERT_EQ(manager.state(), SessionState::kClosed) << to_string(type);
    EXPECT_THAT(manager.close_reason().message(), HasSubstr("unexpected"));
    EXPECT_THAT(only<Refuse>(sent(manager)), SizeIs(1));
  }
}

TEST_F(Handshake, TakesNothingButAnAnswerToHello) {
  for (const Message& message : testing::sample_messages()) {
    const FrameType type = type_of(message);
    if (type == FrameType::kWelcome || type == FrameType::kRefuse || type == FrameType::kBye) {
      continue;
    }
    WorkerSession worker({}, sample_hello(), now_);
    worker.take_output();
    worker.feed(bytes_of(message).substr(0, kHeaderBytes), now_);
    ASSERT_EQ(worker.state(), SessionState::kClosed) << to_string(type);
    EXPECT_THAT(only<Bye>(sent(worker)), SizeIs(1));
  }
}

TEST_F(Handshake, ASecondHelloIsAnError) {
  const std::string hello = bytes_of(worker_->take_output());
  manager_->feed(hello + hello, now_);
  EXPECT_THAT(manager_->take_messages(), SizeIs(1)) << "the first one came in good order";
  EXPECT_EQ(manager_->state(), SessionState::kClosed);
  manager_->welcome(WorkerId{1}, "manager-1", now_);
  EXPECT_EQ(manager_->state(), SessionState::kClosed);
  EXPECT_THAT(only<Welcome>(sent(*manager_)), IsEmpty());
}

TEST_F(Handshake, WelcomesNobodyWhoHasNotSaidHello) {
  manager_->welcome(WorkerId{1}, "manager-1", now_);
  EXPECT_THAT(manager_->take_output(), IsEmpty());
  EXPECT_EQ(manager_->state(), SessionState::kHandshake);
}

TEST_F(Handshake, TakesWorkThatComesInOneGoWithWelcome) {
  const Assign assign = testing::sample_assign(std::string(200'000, 'x'));
  worker_->feed(bytes_of(Message(sample_welcome())) + bytes_of(Message(assign)), now_);
  const auto messages = worker_->take_messages();
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(*std::get<Assign>(messages[1]).image, *assign.image);
}

TEST_F(Handshake, RefusesAVersionThatWasNotOffered) {
  Welcome welcome = sample_welcome();
  welcome.version = 2;
  worker_->feed(bytes_of(Message(welcome)), now_);
  EXPECT_EQ(worker_->state(), SessionState::kClosed);
  EXPECT_THAT(worker_->close_reason().message(), HasSubstr("chose protocol version 2"));
  EXPECT_THAT(worker_->take_messages(), IsEmpty());
}

TEST_F(Handshake, RefusesAManagerThatWouldSendMoreThanItTakes) {
  start({.max_payload_bytes = 2u << 20}, {.max_payload_bytes = 1u << 20});
  exchange();
  manager_->welcome(WorkerId{5}, "manager-1", now_);
  exchange();
  EXPECT_EQ(worker_->state(), SessionState::kClosed);
  EXPECT_THAT(worker_->close_reason().message(), HasSubstr("takes at most 1048576"));
  EXPECT_THAT(only<Bye>(to_manager_)[0].reason, HasSubstr("raise the worker's"));
}

TEST_F(Handshake, AppliesThePayloadLimitOfWelcome) {
  Welcome welcome = sample_welcome();
  welcome.max_payload_bytes = 70'000;
  worker_->feed(bytes_of(Message(welcome)), now_);
  worker_->feed(testing::raw_header(4, 70'001), now_);
  EXPECT_EQ(worker_->close_reason().code(), StatusCode::kResourceExhausted);
}

TEST_F(Handshake, TakesALongHelloThoughImagesAreToBeSmall) {
  Hello hello = sample_hello();
  hello.labels.assign(10'000, std::string(100, 'l'));
  start({.max_payload_bytes = 64 * 1024}, {}, hello);
  register_worker();
}

TEST_F(Handshake, AHelloThatCannotBeSentClosesFromTheStart) {
  Hello hello = sample_hello();
  hello.labels.assign(40'000, std::string(200, 'l'));
  const WorkerSession too_large({}, hello, now_);
  EXPECT_EQ(too_large.state(), SessionState::kClosed);
  EXPECT_THAT(too_large.close_reason().message(), HasSubstr("exceeds the limit of 4194304"));
  hello = sample_hello();
  hello.instance_id = "";
  WorkerSession nameless({}, hello, now_);
  EXPECT_THAT(nameless.close_reason().message(), HasSubstr("instance_id is empty"));
  EXPECT_THAT(nameless.take_output(), IsEmpty());
}

TEST_F(Handshake, TimesOutOnBothSides) {
  EXPECT_EQ(manager_->next_deadline(), kStart + 10s);
  EXPECT_EQ(worker_->next_deadline(), kStart + 10s);
  manager_->on_tick(kStart + 10s - 1ms);
  worker_->on_tick(kStart + 10s - 1ms);
  EXPECT_EQ(manager_->state(), SessionState::kHandshake);
  EXPECT_EQ(worker_->state(), SessionState::kHandshake);
  manager_->on_tick(kStart + 10s);
  worker_->on_tick(kStart + 10s);
  EXPECT_EQ(manager_->close_reason().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(worker_->close_reason().code(), StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(manager_->next_deadline());
  EXPECT_THAT(only<Refuse>(sent(*manager_)), SizeIs(1));
}

TEST_F(Handshake, SlowlyTrickledBytesDoNotProlongIt) {
  const std::string hello = bytes_of(worker_->take_output());
  for (int second = 1; second <= 10; ++second) {
    manager_->feed(hello.substr(static_cast<std::size_t>(second), 1), kStart + second * 1s);
  }
  manager_->on_tick(kStart + 10s);
  EXPECT_EQ(manager_->state(), SessionState::kClosed);
}

TEST_F(Handshake, AByeEndsItInGoodOrder) {
  manager_->send_bye("the manager is shutting down");
  exchange();
  ASSERT_THAT(only<Bye>(to_worker_), SizeIs(1));
  EXPECT_TRUE(worker_->close_reason().ok());
}

TEST_F(Handshake, SurvivesACutAfterEachByteOfHello) {
  const std::string hello = bytes_of(worker_->take_output());
  for (std::size_t length = 0; length <= hello.size(); ++length) {
    ManagerSession manager({}, now_);
    manager.feed(hello.substr(0, length), now_);
    manager.on_disconnect("the worker closed the connection");
    ASSERT_EQ(manager.state(), SessionState::kClosed);
    EXPECT_EQ(manager.close_reason().code(), StatusCode::kUnavailable);
    const bool whole = length == hello.size();
    EXPECT_EQ(manager.take_messages().size(), whole ? 1u : 0u);
    EXPECT_EQ(
        manager.close_reason().message().find("in the middle of a frame") == std::string::npos,
        whole || length == 0)
        << length;
  }
}

TEST_F(Handshake, SurvivesACutAfterEachByteOfWelcome) {
  for (const Message& answer : {Message(sample_welcome()), Message(Refuse{})}) {
    const std::string bytes = bytes_of(answer);
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
      WorkerSession worker({}, sample_hello(), now_);
      worker.feed(bytes.substr(0, length), now_);
      const bool whole = length == bytes.size();
      EXPECT_EQ(worker.take_messages().size(), whole ? 1u : 0u);
      worker.on_disconnect("connection reset by peer");
      ASSERT_EQ(worker.state(), SessionState::kClosed);
    }
  }
}

// ---- FILL: from version 2 on -----------------------------------------------------------------

class Filling : public testing::SessionPair {
 protected:
  void start_with_version(std::uint8_t version) {
    Hello hello = sample_hello();
    hello.max_version = version;
    start({}, {}, hello);
    register_worker();
  }
  const Fill fill_{std::make_shared<const std::string>(60'000, '\0')};
};

TEST_F(Filling, GoesToAWorkerThatKnowsItAndMeansNothingThere) {
  start_with_version(2);
  ASSERT_TRUE(manager_->can_fill());
  to_worker_.clear();
  manager_->fill(fill_);
  manager_->assign(testing::sample_assign());
  exchange();
  ASSERT_THAT(to_worker_, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<Assign>(to_worker_[0]))
      << "what comes behind it is understood";
  EXPECT_EQ(worker_->state(), SessionState::kReady);
}

TEST_F(Filling, IsKeptFromAWorkerOfVersionOne) {
  start_with_version(1);
  EXPECT_FALSE(manager_->can_fill());
  manager_->fill(fill_);
  EXPECT_THAT(sent(*manager_), IsEmpty());
  worker_->feed(bytes_of(Message(fill_)), now_);
  EXPECT_EQ(worker_->state(), SessionState::kClosed) << "which does not know it";
}

// ---- BATCH: from version 3 on, and the other way ------------------------------------------------

class Batching : public Filling {};

TEST_F(Batching, IsToldToAManagerThatKnowsIt) {
  start_with_version(3);
  worker_->send_batch({4});
  exchange();
  ASSERT_FALSE(to_manager_.empty());
  EXPECT_EQ(std::get<Batch>(to_manager_.back()).count, 4);
  EXPECT_EQ(manager_->state(), SessionState::kReady);
}

TEST_F(Batching, IsKeptFromAManagerOfVersionTwo) {
  start_with_version(2);
  worker_->send_batch({4});
  EXPECT_THAT(sent(*worker_), IsEmpty());
  manager_->feed(bytes_of(Message(Batch{4})), now_);
  EXPECT_EQ(manager_->state(), SessionState::kClosed) << "which does not know it";
}

// ---- lanes: likewise ---------------------------------------------------------------------------

class LaneMessages : public Filling {
 protected:
  const Lanes lanes_{8, std::string(32, 'k')};
};

TEST_F(LaneMessages, AreHandedToTheWorkersShell) {
  start_with_version(2);
  ASSERT_TRUE(manager_->can_have_lanes());
  to_worker_.clear();
  manager_->lanes(lanes_);
  manager_->spread();
  exchange();
  ASSERT_THAT(to_worker_, SizeIs(2));
  EXPECT_EQ(std::get<Lanes>(to_worker_[0]).count, 8);
  EXPECT_EQ(std::get<Lanes>(to_worker_[0]).key, lanes_.key);
  EXPECT_TRUE(std::holds_alternative<Spread>(to_worker_[1]));
  EXPECT_EQ(worker_->state(), SessionState::kReady);
}

TEST_F(LaneMessages, AreKeptFromAWorkerOfVersionOne) {
  start_with_version(1);
  EXPECT_FALSE(manager_->can_have_lanes());
  manager_->lanes(lanes_);
  manager_->spread();
  EXPECT_THAT(sent(*manager_), IsEmpty());
  worker_->feed(bytes_of(Message(lanes_)), now_);
  EXPECT_EQ(worker_->state(), SessionState::kClosed) << "which does not know them";
}

TEST_F(LaneMessages, ALaneSaysNothingElse) {
  ManagerSession end(SessionOptions{}, now_);
  end.feed(bytes_of(Message(Lane{0, lanes_.key})), now_);
  const auto messages = end.take_messages();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(std::get<Lane>(messages[0]).key, lanes_.key);
  EXPECT_EQ(end.state(), SessionState::kHandshake);
  end.feed(bytes_of(Message(sample_hello())), now_);
  EXPECT_EQ(end.state(), SessionState::kClosed);
}

TEST_F(LaneMessages, NoLaneComesOverAConnectionThatIsAWorkers) {
  start_with_version(2);
  manager_->feed(bytes_of(Message(Lane{0, lanes_.key})), now_);
  EXPECT_EQ(manager_->state(), SessionState::kClosed);
}

}  // namespace
}  // namespace imgrec::proto
