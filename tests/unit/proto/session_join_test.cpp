// The join token in the handshake of both sides; net/join_token_test.cpp has the cryptography.
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/session.h"
#include "tests/unit/proto/fake_join_token.h"
#include "tests/unit/proto/session_pair.h"

namespace imgrec::proto {
namespace {

using namespace std::chrono_literals;
using testing::bytes_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::only;
using testing::sample_hello;
using testing::sent;
using ::testing::SizeIs;

std::shared_ptr<const JoinToken> token(const std::string& key = "secret") {
  return key.empty() ? nullptr : std::make_shared<const testing::FakeJoinToken>(key);
}

class JoinTokenHandshake : public testing::SessionPair {
 protected:
  // "" is no token.
  void start_with(const std::string& managers, const std::string& workers) {
    start({.join_token = token(managers)}, {.join_token = token(workers)});
  }
  Refuse refusal() {
    const auto refusals = only<Refuse>(to_worker_);
    EXPECT_THAT(refusals, SizeIs(1));
    return refusals.empty() ? Refuse{} : refusals[0];
  }
};

TEST_F(JoinTokenHandshake, TheSameOnBothSidesRegisters) {
  start_with("secret", "secret");
  register_worker();
  EXPECT_EQ(only<Hello>(to_manager_)[0].labels, sample_hello().labels);
  EXPECT_THAT(to_manager_, SizeIs(1)) << "OPEN and PROOF are the session's own";
  EXPECT_THAT(to_worker_, SizeIs(1)) << "so is CHALLENGE";
}

TEST_F(JoinTokenHandshake, NoneOnEitherSideIsOneRoundTripLess) {
  start_with("", "");
  const auto first = sent(*worker_);
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<Hello>(first[0]));
}

TEST_F(JoinTokenHandshake, AWorkerWithoutOneIsRefusedByItsFirstHeader) {
  start_with("secret", "");
  const std::string hello = bytes_of(worker_->take_output());
  manager_->feed(hello.substr(0, kHeaderBytes), now_);
  EXPECT_EQ(manager_->state(), SessionState::kClosed) << "not one byte of its labels was held";
  exchange();
  EXPECT_EQ(refusal().code, RefuseCode::kToken);
  EXPECT_FALSE(refusal().retry);
  EXPECT_THAT(refusal().reason, HasSubstr("worker.token-file"));
  EXPECT_THAT(to_manager_, IsEmpty());
  EXPECT_EQ(worker_->close_reason().code(), StatusCode::kFailedPrecondition);
}

TEST_F(JoinTokenHandshake, AManagerWithoutOneRefusesAWorkerThatWantsProof) {
  start_with("", "secret");
  exchange();
  EXPECT_EQ(refusal().code, RefuseCode::kToken);
  EXPECT_THAT(refusal().reason, HasSubstr("workers.token-file"));
  EXPECT_THAT(to_manager_, IsEmpty()) << "no HELLO went to a manager that has proven nothing";
}

TEST_F(JoinTokenHandshake, AManagerWithAnotherOneIsLeftBeforeTheWorkerProvesAnything) {
  start_with("other", "secret");
  exchange();
  EXPECT_EQ(worker_->state(), SessionState::kClosed);
  EXPECT_THAT(worker_->close_reason().message(), HasSubstr("join token is not this worker's"));
  EXPECT_THAT(only<Hello>(to_manager_), IsEmpty());
  EXPECT_EQ(manager_->close_reason().code(), StatusCode::kUnavailable);
  EXPECT_THAT(manager_->close_reason().message(), HasSubstr("join token is not this worker's"))
      << "the manager's operator hears of it too";
}

TEST_F(JoinTokenHandshake, AWorkerWithAWrongProofIsRefusedBeforeItsHello) {
  start_with("secret", "secret");
  manager_->feed(bytes_of(worker_->take_output()), now_);
  ASSERT_THAT(only<Challenge>(sent(*manager_)), SizeIs(1));
  manager_->feed(bytes_of(Message(Proof{std::string(kJoinBytes, 'x')})), now_);
  const auto messages = sent(*manager_);
  ASSERT_THAT(only<Refuse>(messages), SizeIs(1));
  EXPECT_EQ(only<Refuse>(messages)[0].code, RefuseCode::kToken);
  EXPECT_FALSE(only<Refuse>(messages)[0].retry);
  manager_->feed(bytes_of(Message(sample_hello())), now_);
  EXPECT_THAT(manager_->take_messages(), IsEmpty());
}

TEST_F(JoinTokenHandshake, AProofCannotBeReplayed) {
  start_with("secret", "secret");
  const auto secret = token();  // one manager, two connections of it
  ManagerSession first({.join_token = secret}, now_);
  ManagerSession second({.join_token = secret}, now_);
  const std::string open = bytes_of(worker_->take_output());
  first.feed(open, now_);
  worker_->feed(bytes_of(first.take_output()), now_);
  const std::string proof_and_hello = bytes_of(worker_->take_output());
  second.feed(open, now_);
  second.feed(proof_and_hello, now_);
  EXPECT_THAT(second.take_messages(), IsEmpty());
  EXPECT_THAT(second.close_reason().message(), HasSubstr("join token"));
  first.feed(proof_and_hello, now_);
  EXPECT_THAT(first.take_messages(), SizeIs(1)) << "where it was made it is good";
}

TEST_F(JoinTokenHandshake, TheManagersOwnProofSentBackIsNone) {
  start_with("secret", "secret");
  manager_->feed(bytes_of(worker_->take_output()), now_);
  const auto challenges = only<Challenge>(sent(*manager_));
  ASSERT_THAT(challenges, SizeIs(1));
  manager_->feed(bytes_of(Message(Proof{challenges[0].proof})), now_);
  EXPECT_EQ(manager_->state(), SessionState::kClosed);
}

TEST_F(JoinTokenHandshake, AProofCoversWhatOpenSaid) {
  // Somebody in between changes the instance id, with right sums.
  start_with("secret", "secret");
  Message open = sent(*worker_).at(0);
  std::get<Open>(open).instance_id = "somebody-else";
  manager_->feed(bytes_of(open), now_);
  worker_->feed(bytes_of(manager_->take_output()), now_);
  EXPECT_EQ(worker_->state(), SessionState::kClosed);
  EXPECT_THAT(worker_->close_reason().message(), HasSubstr("join token"));
}

TEST_F(JoinTokenHandshake, HelloMustBeOfTheWorkerThatWasProven) {
  start_with("secret", "secret");
  manager_->feed(bytes_of(worker_->take_output()), now_);
  worker_->feed(bytes_of(manager_->take_output()), now_);
  const auto answer = sent(*worker_);
  ASSERT_THAT(answer, SizeIs(2)) << "PROOF and HELLO come in one go";
  Hello hello = std::get<Hello>(answer[1]);
  hello.instance_id = "somebody-else";
  manager_->feed(bytes_of(answer[0]) + bytes_of(Message(hello)), now_);
  EXPECT_THAT(manager_->close_reason().message(), HasSubstr("another instance_id"));
}

TEST_F(JoinTokenHandshake, EachStepTakesOnlyItsOwnMessage) {
  start_with("secret", "secret");
  const std::string open = bytes_of(worker_->take_output());
  for (const Message& message : testing::sample_messages()) {
    const FrameType type = type_of(message);
    const std::string header = bytes_of(message).substr(0, kHeaderBytes);
    ManagerSession stranger({.join_token = token()}, now_);
    stranger.feed(header, now_);
    const bool first =
        type == FrameType::kOpen || type == FrameType::kLane || type == FrameType::kBye;
    EXPECT_EQ(stranger.state() == SessionState::kClosed, !first) << to_string(type);
    ManagerSession challenged({.join_token = token()}, now_);
    challenged.feed(open + header, now_);
    const bool second = type == FrameType::kProof || type == FrameType::kBye;
    EXPECT_EQ(challenged.state() == SessionState::kClosed, !second) << to_string(type);
    WorkerSession worker({.join_token = token()}, sample_hello(), now_);
    worker.feed(header, now_);
    const bool answer =
        type == FrameType::kChallenge || type == FrameType::kRefuse || type == FrameType::kBye;
    EXPECT_EQ(worker.state() == SessionState::kClosed, !answer) << to_string(type);
  }
}

TEST_F(JoinTokenHandshake, HoldsLittleOfAnybodyWhoHasProvenNothing) {
  for (const std::uint8_t type : {12, 14}) {
    ManagerSession manager({.join_token = token()}, now_);
    if (type == 14) manager.feed(bytes_of(Message(testing::sample_open())), now_);
    manager.feed(testing::raw_header(type, 4 * 1024 + 1), now_);
    EXPECT_EQ(manager.close_reason().code(), StatusCode::kResourceExhausted);
  }
}

TEST_F(JoinTokenHandshake, StallingAtAnyStepEndsInTime) {
  start_with("secret", "secret");
  const std::string open = bytes_of(worker_->take_output());
  manager_->feed(open, now_);
  manager_->on_tick(now_ + 10s);
  worker_->on_tick(now_ + 10s);
  EXPECT_EQ(manager_->close_reason().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(worker_->close_reason().code(), StatusCode::kDeadlineExceeded);
}

TEST_F(JoinTokenHandshake, AnotherVersionIsToldApartAtOpen) {
  manager_.emplace(SessionOptions{.join_token = token()}, now_);
  manager_->feed(bytes_of(make_frame(FrameType::kOpen, 0, 0, "\x07\x08 laid out otherwise")), now_);
  const auto messages = sent(*manager_);
  ASSERT_THAT(only<Refuse>(messages), SizeIs(1));
  EXPECT_EQ(only<Refuse>(messages)[0].code, RefuseCode::kVersion);
}

TEST_F(JoinTokenHandshake, AnySlicingRegisters) {
  for (std::size_t chunk = 1; chunk <= 200; ++chunk) {
    start_with("secret", "secret");
    const auto carry = [&](Session& from, Session& to) {
      const std::string bytes = bytes_of(from.take_output());
      for (std::size_t at = 0; at < bytes.size(); at += chunk) {
        to.feed(std::string_view(bytes).substr(at, chunk), now_);
      }
    };
    carry(*worker_, *manager_);
    carry(*manager_, *worker_);
    carry(*worker_, *manager_);
    ASSERT_THAT(manager_->take_messages(), SizeIs(1)) << chunk;
    manager_->welcome(WorkerId{1}, "manager-1", now_);
    carry(*manager_, *worker_);
    ASSERT_EQ(worker_->state(), SessionState::kReady) << chunk;
  }
}

}  // namespace
}  // namespace imgrec::proto
