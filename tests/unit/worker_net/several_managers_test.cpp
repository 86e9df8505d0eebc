// A worker with several managers: names, addresses that lead to one manager, a change of model.
#include <memory>
#include <string>

#include "tests/unit/worker_net/runner_fixture.h"

namespace imgrec::worker {
namespace {

using test::FakeManager;
using test::tiny_bmp;
using namespace std::chrono_literals;

class SeveralManagers : public testing::RunnerFixture {};

TEST_F(SeveralManagers, AreFoundByName) {
  FakeManager manager;
  options_.managers.push_back({"localhost", std::to_string(manager.port())});
  start({});
  ASSERT_TRUE(manager.wait_registered(1));
  manager.assign(1, tiny_bmp(1));
  EXPECT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
  EXPECT_EQ(leave().code, 0);
}

TEST_F(SeveralManagers, AreServedWhileOneIsAway) {
  auto a = std::make_unique<FakeManager>(0, std::string(32, 'a'));
  FakeManager b(0, std::string(32, 'b'));
  start({a->port(), b.port()});
  ASSERT_TRUE(a->wait_registered(1) && b.wait_registered(1));
  const std::uint16_t port = a->port();
  a.reset();
  b.assign(1, tiny_bmp(1));
  EXPECT_EQ(b.wait_for<proto::Outcome>(1).size(), 1u);
  FakeManager again(port, std::string(32, 'a'));
  ASSERT_TRUE(again.wait_registered(1));
  again.assign(1, tiny_bmp(2));
  EXPECT_EQ(again.wait_for<proto::Outcome>(1).size(), 1u);
  EXPECT_EQ(leave().code, 0);
}

// Two addresses of one manager, which would count this worker twice.
TEST_F(SeveralManagers, ThatAreOneHaveOneConnection) {
  FakeManager older(0, std::string(32, 'm'));
  auto newer = std::make_unique<FakeManager>(0, std::string(32, 'm'));
  newer->refuse_with({proto::RefuseCode::kFull, true, 1ms, "not yet"});
  start({older.port(), newer->port()});
  ASSERT_TRUE(older.wait_registered(1));
  newer->welcome_again();
  ASSERT_TRUE(newer->wait_registered(1));
  // A real manager would close the older one itself.
  ASSERT_EQ(older.wait_for<proto::Bye>(1).size(), 1u);
  ASSERT_TRUE(older.wait_disconnected());
  newer->assign(1, tiny_bmp(1));
  EXPECT_EQ(newer->wait_for<proto::Outcome>(1).size(), 1u);
  EXPECT_EQ(older.count<proto::Hello>(), 1u);
  // When the one that serves is gone, the other way is taken.
  newer.reset();
  ASSERT_TRUE(older.wait_registered(2));
  older.assign(2, tiny_bmp(2));
  EXPECT_EQ(older.wait_for<proto::Outcome>(1).size(), 1u);
  EXPECT_EQ(leave().code, 0);
}

TEST_F(SeveralManagers, RefuseForGoodAndItEnds) {
  FakeManager a(0, std::string(32, 'a'));
  FakeManager b(0, std::string(32, 'b'));
  const proto::Refuse no{proto::RefuseCode::kToken, false, 0ms, "no token"};
  a.refuse_with(no);
  b.refuse_with(no);
  start({a.port(), b.port()});
  EXPECT_EQ(exit().code, 3);
}

TEST_F(SeveralManagers, LeaveNobodyWaitingAtTheEnd) {
  FakeManager a(0, std::string(32, 'a'));
  FakeManager b(0, std::string(32, 'b'));
  start({a.port(), b.port()});
  ASSERT_TRUE(a.wait_registered(1) && b.wait_registered(1));
  engine_.hold();
  a.assign(1, tiny_bmp(1));
  ASSERT_TRUE(engine_.wait_until_held(1));
  b.assign(7, tiny_bmp(2));
  b.assign(8, tiny_bmp(3));
  b.assign(9, tiny_bmp(4));  // over the credit: its answer shows that the others have come
  ASSERT_EQ(b.wait_for<proto::Fail>(1).size(), 1u);
  runner_->request_stop("SIGTERM");
  EXPECT_EQ(b.wait_for<proto::Fail>(3).size(), 3u);
  EXPECT_EQ(b.wait_for<proto::Bye>(1).size(), 1u);
  engine_.release();
  EXPECT_EQ(a.wait_for<proto::Outcome>(1).size(), 1u);
  EXPECT_EQ(a.wait_for<proto::Bye>(1).size(), 1u);
  EXPECT_EQ(exit().code, 0);
}

}  // namespace
}  // namespace imgrec::worker
