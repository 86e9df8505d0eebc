#include "worker/net/worker_runner.h"

#include <array>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/chunk.h"
#include "proto/frame.h"
#include "proto/message_codec.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_manager.h"
#include "tests/unit/worker_net/runner_fixture.h"

namespace imgrec::worker {
namespace {

using namespace std::chrono_literals;
using proto::FailCode;
using test::FakeEngine;
using test::FakeEngineOptions;
using test::FakeManager;
using test::tiny_bmp;
using ::testing::HasSubstr;

using WorkerRegistration = worker::testing::RunnerFixture;
using WorkerJobs = worker::testing::RunnerFixture;
using WorkerReconnect = worker::testing::RunnerFixture;
using WorkerRefused = worker::testing::RunnerFixture;
using WorkerLeaving = worker::testing::RunnerFixture;

TEST_F(WorkerRegistration, SaysWhatItIs) {
  FakeManager manager;
  options_.streams = 2;
  options_.credit = 3;
  start_with(manager);
  const auto hellos = manager.wait_for<proto::Hello>(1);
  ASSERT_EQ(hellos.size(), 1u);
  EXPECT_EQ(hellos[0].name, "w1");
  EXPECT_EQ(hellos[0].instance_id.size(), 32u);
  EXPECT_EQ(hellos[0].model_name, "fake");
  EXPECT_EQ(hellos[0].model_digest, std::string(64, 'f'));
  EXPECT_EQ(hellos[0].labels.size(), 10u);
  EXPECT_EQ(hellos[0].streams, 2u);
  EXPECT_EQ(hellos[0].credit, 3u);
  EXPECT_EQ(engine_.warm_threads(), 2u);  // all warm before the manager hears of it
  manager.assign(1, tiny_bmp(1));
  ASSERT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);  // the WELCOME has arrived
  EXPECT_EQ(leave().code, 0);
  EXPECT_THAT(log_.str(),
              HasSubstr("worker_registered manager=127.0.0.1:" + std::to_string(manager.port()) +
                        " id=1 model=fake classes=10"));
}

TEST_F(WorkerRegistration, DoesNotHappenWhereTheEngineCannotWarmUp) {
  FakeManager manager;
  engine_.fail_warm_up("no memory for the network");
  start({manager.port()});
  const WorkerExit left = exit();
  EXPECT_EQ(left.code, 1);
  EXPECT_THAT(left.reason, HasSubstr("no memory for the network"));
}

TEST_F(WorkerJobs, AreAnswered) {
  FakeManager manager;
  start_with(manager);
  const std::string image = tiny_bmp(5);
  manager.assign(1, image, 2);
  const auto outcomes = manager.wait_for<proto::Outcome>(1);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].job, JobId{1});
  EXPECT_EQ(outcomes[0].attempt, 2u);
  EXPECT_FALSE(outcomes[0].from_cache);
  ASSERT_EQ(outcomes[0].top.size(), 5u);
  EXPECT_EQ(outcomes[0].top[0].index, FakeEngine::class_of(image, 10));
  EXPECT_FLOAT_EQ(outcomes[0].top[0].score, 0.5f);
}

TEST_F(WorkerJobs, LargerThanAnySocketBufferArrive) {
  FakeManager manager;
  start_with(manager);
  const std::string image = tiny_bmp(5) + std::string(9u << 20, 'x');  // decoders ignore the rest
  manager.assign(1, image);
  const auto outcomes = manager.wait_for<proto::Outcome>(1);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].top[0].index, FakeEngine::class_of(image, 10));
}

TEST_F(WorkerJobs, ThatAreNoPicturesFailAlone) {
  FakeManager manager;
  start_with(manager);
  manager.assign(1, "GIF89a and nothing more");
  manager.assign(2, tiny_bmp(1).substr(0, 60));
  const auto fails = manager.wait_for<proto::Fail>(2);
  ASSERT_EQ(fails.size(), 2u);
  EXPECT_EQ(fails[0].code, FailCode::kNotAnImage);
  EXPECT_EQ(fails[1].code, FailCode::kDamaged);
  EXPECT_FALSE(fails[0].retriable);
  manager.assign(3, tiny_bmp(1));
  EXPECT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
}

TEST_F(WorkerJobs, ThatMakeTheEngineThrowFailAlone) {
  FakeManager manager;
  start_with(manager);
  engine_.throw_next("bad_alloc");
  manager.assign(1, tiny_bmp(1));
  const auto fails = manager.wait_for<proto::Fail>(1);
  ASSERT_EQ(fails.size(), 1u);
  EXPECT_EQ(fails[0].code, FailCode::kInternal);
  EXPECT_TRUE(fails[0].retriable);
  manager.assign(1, tiny_bmp(1), 2);  // not remembered as a failure
  EXPECT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
}

TEST_F(WorkerJobs, ThatComeAgainAreAnsweredFromTheCache) {
  FakeManager manager;
  start_with(manager);
  manager.assign(1, tiny_bmp(5));
  ASSERT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
  manager.assign(1, tiny_bmp(5), 2);
  const auto outcomes = manager.wait_for<proto::Outcome>(2);
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_TRUE(outcomes[1].from_cache);
  EXPECT_EQ(outcomes[1].attempt, 2u);
  EXPECT_EQ(outcomes[1].top[0].index, outcomes[0].top[0].index);
  EXPECT_EQ(engine_.inferences(), 1u);
}

TEST_F(WorkerJobs, PastTheirDeadlineAreGivenUp) {
  FakeManager manager;
  start_with(manager);
  engine_.hold();
  manager.assign(1, tiny_bmp(1));
  ASSERT_TRUE(engine_.wait_until_held(1));
  manager.assign(2, tiny_bmp(2), 1, 20ms);
  const auto fails = manager.wait_for<proto::Fail>(1);
  ASSERT_EQ(fails.size(), 1u);
  EXPECT_EQ(fails[0].job, JobId{2});
  EXPECT_EQ(fails[0].code, FailCode::kDeadline);
}

TEST_F(WorkerJobs, FromSeveralManagersAreServed) {
  FakeManager a(0, std::string(32, 'a'));
  FakeManager b(0, std::string(32, 'b'));
  start({a.port(), b.port()});
  ASSERT_TRUE(a.wait_registered(1));
  ASSERT_TRUE(b.wait_registered(1));
  a.assign(1, tiny_bmp(1));
  b.assign(1, tiny_bmp(2));
  const auto from_a = a.wait_for<proto::Outcome>(1);
  const auto from_b = b.wait_for<proto::Outcome>(1);
  ASSERT_EQ(from_a.size(), 1u);
  ASSERT_EQ(from_b.size(), 1u);
  EXPECT_FALSE(from_a[0].from_cache || from_b[0].from_cache);
}

TEST_F(WorkerReconnect, FollowsALostConnection) {
  FakeManager manager;
  start_with(manager);
  manager.close_connections();
  ASSERT_TRUE(manager.wait_registered(2));
  manager.assign(1, tiny_bmp(1));
  EXPECT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
}

TEST_F(WorkerReconnect, AnswersTheJobThatWasRunningWithoutComputingItTwice) {
  FakeManager manager;
  start_with(manager);
  engine_.hold();
  manager.assign(1, tiny_bmp(1));
  ASSERT_TRUE(engine_.wait_until_held(1));
  manager.close_connections();
  ASSERT_TRUE(manager.wait_registered(2));
  manager.assign(1, tiny_bmp(1), 2);
  engine_.release();
  const auto outcomes = manager.wait_for<proto::Outcome>(1);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].attempt, 2u);
  EXPECT_EQ(engine_.inferences(), 1u);
}

TEST_F(WorkerReconnect, GoesOnUntilTheManagerIsThere) {
  std::uint16_t port = 0;
  {
    FakeManager first;
    port = first.port();
    start_with(first);
  }
  FakeManager second(port);
  EXPECT_TRUE(second.wait_registered(1));
}

TEST_F(WorkerReconnect, FollowsAPeerThatTalksNonsense) {
  options_.link.close_timeout = 20ms;  // the peer does not close its side
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  start({acceptor.local_endpoint().port()});
  auto first = acceptor.accept();
  boost::asio::write(first, boost::asio::buffer(std::string(64, '!')));
  auto second = acceptor.accept();  // it gave the first one up and came again
  EXPECT_TRUE(second.is_open());
}

TEST_F(WorkerReconnect, FollowsAManagerThatDrains) {
  FakeManager manager;
  start_with(manager);
  engine_.hold();
  manager.assign(1, tiny_bmp(1));
  ASSERT_TRUE(engine_.wait_until_held(1));
  manager.drain();
  engine_.release();
  EXPECT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);  // finished first
  EXPECT_EQ(manager.wait_for<proto::Bye>(1).size(), 1u);
  EXPECT_TRUE(manager.wait_registered(2));
}

// A manager of one worker, step by step.
class OneConnection {
 public:
  using Tcp = boost::asio::ip::tcp;

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  Tcp::socket accept() { return acceptor_.accept(); }
  // The next message of this kind; others are skipped.
  template <class T>
  static T hear(Tcp::socket& socket) {
    proto::FrameDecoder decoder;
    while (true) {
      std::array<char, 1> byte{};
      boost::asio::read(socket, boost::asio::buffer(byte));
      decoder.feed({byte.data(), byte.size()});
      auto frame = decoder.next();
      if (!frame.ok()) throw std::runtime_error(frame.status().message());
      if (!*frame) continue;
      auto message = proto::decode(*std::move(*frame));
      if (!message.ok()) throw std::runtime_error(message.status().message());
      if (const T* wanted = std::get_if<T>(&*message)) return *wanted;
    }
  }
  static void say(Tcp::socket& socket, const proto::Message& message) {
    boost::asio::write(socket, boost::asio::buffer(proto::encode(message).head));
  }

 private:
  boost::asio::io_context io_;
  Tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
};

// Where the way loses packets the reset may be there before what the lanes carry.
TEST_F(WorkerReconnect, HearsOverItsLanesThatTheManagerLeavesThoughTheConnectionIsReset) {
  options_.link.close_timeout = 20ms;  // the second connection is not answered
  OneConnection manager;
  start({manager.port()});
  auto connection = manager.accept();
  OneConnection::hear<proto::Hello>(connection);
  OneConnection::say(connection, proto::Welcome{2, WorkerId{1}, std::string(32, 'a'), 1s, 1 << 20});
  OneConnection::say(connection, proto::Lanes{1, std::string(32, 'k')});
  auto lane = manager.accept();
  EXPECT_EQ(OneConnection::hear<proto::Lane>(lane).key, std::string(32, 'k'));
  OneConnection::say(connection, proto::Spread{});
  std::uint64_t position = 0;
  const auto say_over_lane = [&](const proto::Message& message) {
    const std::string frame = proto::encode(message).head;
    const auto header = proto::chunk_header(position, static_cast<std::uint32_t>(frame.size()));
    boost::asio::write(lane, std::array{boost::asio::buffer(header), boost::asio::buffer(frame)});
    position += frame.size();
  };
  say_over_lane(proto::Ping{});
  OneConnection::hear<proto::Pong>(connection);  // it has heard SPREAD
  connection.set_option(boost::asio::socket_base::linger(true, 0));
  connection.close();                 // with a reset
  std::this_thread::sleep_for(50ms);  // which is seen, and written into, before the rest comes
  say_over_lane(proto::Bye{"the manager is shutting down"});
  lane.shutdown(boost::asio::socket_base::shutdown_send);
  auto again = manager.accept();
  EXPECT_EQ(leave().code, 0);
  EXPECT_THAT(log_.str(), HasSubstr("manager_connection_ended"));
  EXPECT_THAT(log_.str(), HasSubstr("in good order"));
}

proto::Refuse refuse(bool retry) {
  return {proto::RefuseCode::kModel, retry, 1ms, "this manager serves bvlc_googlenet, not fake"};
}

TEST_F(WorkerRefused, ForGoodByItsOnlyManagerEndsWithCode3AndSaysWhy) {
  FakeManager manager;
  manager.refuse_with(refuse(false));
  start({manager.port()});
  const WorkerExit left = exit();
  EXPECT_EQ(left.code, 3);
  EXPECT_THAT(left.reason, HasSubstr("serves bvlc_googlenet, not fake"));
  EXPECT_THAT(log_.str(), HasSubstr("worker_refused manager=127.0.0.1:"));
  EXPECT_THAT(log_.str(), HasSubstr("code=model"));
  EXPECT_THAT(log_.str(), HasSubstr("serves bvlc_googlenet, not fake"));
}

TEST_F(WorkerRefused, WithRetryComesBackUntilItIsWelcome) {
  FakeManager manager;
  manager.refuse_with(refuse(true));
  start({manager.port()});
  ASSERT_EQ(manager.wait_for<proto::Hello>(3).size(), 3u);
  manager.welcome_again();
  EXPECT_TRUE(manager.wait_registered(1));
}

TEST_F(WorkerRefused, ByOneOfTwoGoesOnWithTheOther) {
  FakeManager a(0, std::string(32, 'a'));
  FakeManager b(0, std::string(32, 'b'));
  a.refuse_with(refuse(false));
  start({a.port(), b.port()});
  ASSERT_TRUE(b.wait_registered(1));
  ASSERT_TRUE(a.wait_for<proto::Hello>(1).size() == 1 && a.wait_disconnected());
  b.assign(1, tiny_bmp(1));
  EXPECT_EQ(b.wait_for<proto::Outcome>(1).size(), 1u);
  EXPECT_EQ(leave().code, 0);
}

TEST_F(WorkerRefused, ForGoodAsksAgainAfterAWhile) {
  FakeManager a(0, std::string(32, 'a'));
  FakeManager b(0, std::string(32, 'b'));
  options_.link.refused_retry = 5ms;
  a.refuse_with(refuse(false));
  start({a.port(), b.port()});
  ASSERT_TRUE(b.wait_registered(1));
  ASSERT_GE(a.wait_for<proto::Hello>(2).size(), 2u);
  a.welcome_again();  // its operator put the other model there
  EXPECT_TRUE(a.wait_registered(1));
}

TEST_F(WorkerLeaving, HandsBackWhatHasNotBegunAndFinishesTheRest) {
  FakeManager manager;
  start_with(manager);
  engine_.hold();
  manager.assign(1, tiny_bmp(1));
  ASSERT_TRUE(engine_.wait_until_held(1));
  manager.assign(2, tiny_bmp(2));
  manager.assign(3, tiny_bmp(3));  // over the credit: its answer shows that 2 has come
  ASSERT_EQ(manager.wait_for<proto::Fail>(1).at(0).code, FailCode::kOverCredit);
  runner_->request_stop("SIGTERM");
  EXPECT_EQ(manager.wait_for<proto::Drain>(1).size(), 1u);
  const auto fails = manager.wait_for<proto::Fail>(2);
  ASSERT_EQ(fails.size(), 2u);
  EXPECT_EQ(fails[1].job, JobId{2});
  EXPECT_EQ(fails[1].code, FailCode::kDraining);
  engine_.release();
  const auto outcomes = manager.wait_for<proto::Outcome>(1);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].job, JobId{1});
  EXPECT_EQ(manager.wait_for<proto::Bye>(1).size(), 1u);
  const WorkerExit left = exit();
  EXPECT_EQ(left.code, 0);
  EXPECT_EQ(left.reason, "SIGTERM");
}

TEST_F(WorkerLeaving, EndsAtItsDeadlineThoughTheEngineHangs) {
  FakeManager manager;
  options_.drain_timeout = 20ms;
  start_with(manager);
  engine_.hold();
  manager.assign(1, tiny_bmp(1));
  ASSERT_TRUE(engine_.wait_until_held(1));
  const WorkerExit left = leave();
  EXPECT_EQ(left.code, 0);
  EXPECT_TRUE(left.abandoned_work);
  const auto fails = manager.wait_for<proto::Fail>(1);
  ASSERT_EQ(fails.size(), 1u);
  EXPECT_EQ(fails[0].code, FailCode::kDraining);
}

TEST_F(WorkerLeaving, NeedsNoManager) {
  std::uint16_t closed = 0;
  {
    FakeManager gone;
    closed = gone.port();
  }
  start({closed});
  EXPECT_EQ(leave().code, 0);
}

TEST_F(WorkerLeaving, OnPurposeSaysSoAndEndsWithCode1) {
  FakeManager manager;
  options_.fail_probability = 1;
  start_with(manager);
  manager.assign(1, tiny_bmp(1));
  const auto byes = manager.wait_for<proto::Bye>(1);
  ASSERT_EQ(byes.size(), 1u);
  EXPECT_EQ(byes[0].reason, "failing on purpose (--fail-probability)");
  EXPECT_EQ(exit().code, 1);
  EXPECT_EQ(engine_.inferences(), 0u);
}

}  // namespace
}  // namespace imgrec::worker
