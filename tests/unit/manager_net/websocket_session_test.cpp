#include "manager/net/websocket_session.h"

#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "tests/unit/manager_net/run_until.h"
#include "tests/unit/manager_net/upgrade.h"

namespace imgrec::manager {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;

using testing::kUpgrade;

class Recorder : public WebSocketSession::Listener {
 public:
  void on_open(WebSocketSession& session) override {
    ++opened;
    if (!greeting.empty()) session.send(std::make_shared<const std::string>(greeting));
  }
  void on_text(WebSocketSession&, std::string_view text) override { texts.emplace_back(text); }
  void on_room(WebSocketSession&) override { ++rooms; }
  void on_closed(WebSocketSession&) override { ++closed; }
  int opened = 0, rooms = 0, closed = 0;
  std::vector<std::string> texts;
  std::string greeting;  // said on opening
};

class WebSocketSessionTest : public ::testing::Test {
 protected:
  // Server and client sockets of one connection; the upgrade request is handed over, not read.
  WebSocketSessionTest() : client_(io_) {
    tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    client_.connect(acceptor.local_endpoint());
    session_ = std::make_shared<WebSocketSession>(acceptor.accept(), recorder_);
  }
  template <class Condition>
  bool eventually(Condition condition) {
    return imgrec::testing::run_until(io_, condition);
  }
  std::string read_available() { return testing::read_available(client_); }

  asio::io_context io_;
  Recorder recorder_;
  tcp::socket client_;
  std::shared_ptr<WebSocketSession> session_;
};

TEST_F(WebSocketSessionTest, AcceptsTheHandedOverUpgrade) {
  session_->accept(kUpgrade);
  ASSERT_TRUE(eventually([&] { return recorder_.opened == 1; }));
  ASSERT_TRUE(eventually([&] { return client_.available() > 0; }));
  EXPECT_NE(read_available().find("101 Switching Protocols"), std::string::npos);
}

TEST_F(WebSocketSessionTest, SendsQueuedTextsInOrder) {
  session_->accept(kUpgrade);
  session_->send(std::make_shared<const std::string>("first"));
  session_->send(std::make_shared<const std::string>("second"));
  ASSERT_TRUE(eventually([&] { return recorder_.rooms == 2; }));
  const std::string got = read_available();
  EXPECT_NE(got.find("first"), std::string::npos);
  EXPECT_LT(got.find("first"), got.find("second"));
}

TEST_F(WebSocketSessionTest, SendsWhatIsSaidOnOpeningOnceAndFirst) {
  recorder_.greeting = "hello";
  session_->accept(kUpgrade);
  ASSERT_TRUE(eventually([&] { return recorder_.opened == 1; }));
  session_->send(std::make_shared<const std::string>("later"));
  ASSERT_TRUE(eventually([&] { return recorder_.rooms == 2; }));
  const std::string got = read_available();
  const std::size_t first = got.find("hello");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(got.find("hello", first + 1), std::string::npos) << "sent twice";
  EXPECT_LT(first, got.find("later"));
}

TEST_F(WebSocketSessionTest, RefusesMoreThanItsQueueHolds) {
  session_->accept(kUpgrade);
  ASSERT_TRUE(eventually([&] { return recorder_.opened == 1; }));
  const auto big = std::make_shared<const std::string>(100'000, 'x');
  int taken = 0;
  while (session_->send(big)) ++taken;
  EXPECT_GT(taken, 10);
  EXPECT_LT(taken, 10'000);
  EXPECT_FALSE(session_->has_room());
}

TEST_F(WebSocketSessionTest, HoldsTheNewestOfWhatIsAboutTheSameThing) {
  session_->accept(kUpgrade);
  ASSERT_TRUE(eventually([&] { return recorder_.opened == 1; }));
  // A page that does not read: one message is under way, the others wait.
  const auto big = std::make_shared<const std::string>(50'000'000, 'x');
  ASSERT_TRUE(session_->send(big, "big"));
  for (int i = 0; i < 10'000; ++i) {
    const std::string number = std::to_string(i);
    ASSERT_TRUE(session_->send(std::make_shared<const std::string>("a" + number), "a")) << i;
    ASSERT_TRUE(session_->send(std::make_shared<const std::string>("b" + number), "b")) << i;
  }
  ASSERT_TRUE(session_->send(std::make_shared<const std::string>("a-last"), "a"));
  std::string got;
  ASSERT_TRUE(eventually([&] {
    boost::system::error_code ec;
    std::string piece(client_.available(ec), '\0');
    piece.resize(client_.read_some(asio::buffer(piece), ec));
    got += piece;
    return recorder_.rooms == 3;
  }));
  got += read_available();
  const std::string end = got.substr(got.find_last_of('x') + 1);
  EXPECT_NE(end.find("b9999"), std::string::npos);
  EXPECT_LT(end.find("b9999"), end.find("a-last")) << "in the order of the newest";
  EXPECT_EQ(end.find("a9999"), std::string::npos);
  EXPECT_LT(end.size(), 100u);
}

TEST_F(WebSocketSessionTest, ClosesOnAMessageOverTheLimit) {
  session_->accept(kUpgrade);
  ASSERT_TRUE(eventually([&] { return recorder_.opened == 1; }));
  // A masked text frame of 64 KiB, announced by its 16-bit length.
  std::string frame("\x81\xfe\xff\xff\0\0\0\0", 8);
  frame += std::string(65'535, 'x');
  boost::system::error_code ignored;
  asio::write(client_, asio::buffer(frame), ignored);
  EXPECT_TRUE(eventually([&] { return recorder_.closed == 1; }));
  EXPECT_TRUE(recorder_.texts.empty());
}

// A masked frame as a browser sends it; the mask is 0, which leaves the bytes as they are.
std::string client_frame(char opcode, const std::string& payload) {
  return std::string(1, static_cast<char>(0x80 | opcode)) +
         static_cast<char>(0x80 | static_cast<char>(payload.size())) + std::string(4, '\0') +
         payload;
}

TEST_F(WebSocketSessionTest, ClosesOnAFloodOfMessagesOrPings) {
  for (const char opcode : {'\x01', '\x09'}) {
    Recorder recorder;
    tcp::socket client(io_);
    tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    client.connect(acceptor.local_endpoint());
    const auto session = std::make_shared<WebSocketSession>(acceptor.accept(), recorder);
    session->accept(kUpgrade);
    ASSERT_TRUE(eventually([&] { return recorder.opened == 1; }));
    std::string few, many;
    for (int i = 0; i < 20; ++i) few += client_frame(opcode, "hi");
    for (int i = 0; i < 500; ++i) many += client_frame(opcode, "hi");
    asio::write(client, asio::buffer(few));
    for (int turn = 0; turn < 50; ++turn) io_.poll_one();
    EXPECT_EQ(recorder.closed, 0) << "what a page may say";
    asio::write(client, asio::buffer(many));
    ASSERT_TRUE(eventually([&] { return recorder.closed == 1; }));
    EXPECT_LT(recorder.texts.size(), 100u);
  }
}

TEST_F(WebSocketSessionTest, HoldsWhatItIsGivenUntilItEnds) {
  auto place = std::make_shared<const int>(1);
  session_->hold(place);
  session_->accept(kUpgrade);
  ASSERT_TRUE(eventually([&] { return recorder_.opened == 1; }));
  EXPECT_EQ(place.use_count(), 2);
  client_.close();
  ASSERT_TRUE(eventually([&] { return recorder_.closed == 1; }));
  session_.reset();
  EXPECT_TRUE(eventually([&] { return place.use_count() == 1; }));
}

TEST_F(WebSocketSessionTest, ReportsAVanishedPeerOnce) {
  session_->accept(kUpgrade);
  ASSERT_TRUE(eventually([&] { return recorder_.opened == 1; }));
  client_.close();
  ASSERT_TRUE(eventually([&] { return recorder_.closed == 1; }));
  session_->close("again");
  EXPECT_EQ(recorder_.closed, 1);
}

TEST_F(WebSocketSessionTest, ReportsARequestThatIsNoUpgrade) {
  session_->accept("GET /ws HTTP/1.1\r\nHost: here\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return recorder_.closed == 1; }));
  EXPECT_EQ(recorder_.opened, 0);
}

}  // namespace
}  // namespace imgrec::manager
