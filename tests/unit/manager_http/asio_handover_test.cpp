#include "manager/http/asio_handover.h"

#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "raw_client.h"

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

// A connection whose server side is ours to give away. The io_context runs in the test's thread.
class AsioHandoverTest : public testing::Test {
 protected:
  void connect(int receive_buffer = 0) {
    client_.emplace(acceptor_.local_endpoint().port(), receive_buffer);
    auto accepted = acceptor_.accept();
    server_side_.reset(accepted.release());
  }

  asio::io_context io_;
  asio::ip::tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
  std::optional<RawClient> client_;
  UniqueFd server_side_;
};

TEST_F(AsioHandoverTest, SendsHeadAndBodyThenCloses) {
  connect();
  const auto before = open_descriptors();
  send_and_close(io_, std::move(server_side_), "head ", std::make_shared<std::string>("body"));
  io_.poll();
  EXPECT_EQ(client_->read_to_end(), "head body");
  client_->close();
  io_.run();
  EXPECT_EQ(open_descriptors(), before - 2);
}

TEST_F(AsioHandoverTest, DropsWhatTheClientSaysLate) {
  connect();
  client_->send("unread request");
  send_and_close(io_, std::move(server_side_), "head ", std::make_shared<std::string>("body"));
  io_.poll();
  EXPECT_EQ(client_->read_to_end(), "head body");  // and no reset
}

TEST_F(AsioHandoverTest, CutsOffAReaderThatStalls) {
  connect(4096);
  HandoverLimits limits;
  limits.stall = 100ms;
  send_and_close(io_, std::move(server_side_), "", std::make_shared<std::string>(20'000'000, 'x'),
                 limits);
  const auto cpu_before = process_cpu_time();
  io_.run();  // returns when the socket is closed
  EXPECT_LT(process_cpu_time() - cpu_before, 90ms);
  EXPECT_LT(client_->read_to_end().size(), 20'000'000u);
}

TEST_F(AsioHandoverTest, ClosesTheSocketWhereTheContextNeverRuns) {
  {
    asio::io_context never;
    connect();
    send_and_close(never, std::move(server_side_), "head", nullptr);
    connect();
    hand_over_upgrade(never, std::move(server_side_), {}, "", {}, [](UpgradeRequest) { FAIL(); });
  }
  EXPECT_EQ(client_->read_to_end(), "");
}

TEST_F(AsioHandoverTest, GivesTheUpgradeItsSocketAndHead) {
  connect();
  HttpRequest request;
  request.path = "/ws";
  std::string seen;
  hand_over_upgrade(io_, std::move(server_side_), request, "raw head", {},
                    [&](UpgradeRequest upgrade) {
                      seen = upgrade.request.path + " " + upgrade.raw_head;
                      upgrade.socket.send(asio::buffer("hi", 2));
                    });
  EXPECT_EQ(seen, "");  // not on the caller's thread
  io_.run();
  EXPECT_EQ(seen, "/ws raw head");
  EXPECT_EQ(client_->read_to_end(), "hi");
}

TEST_F(AsioHandoverTest, SurvivesAnUpgradeHandlerThatThrows) {
  connect();
  hand_over_upgrade(io_, std::move(server_side_), {}, "", {},
                    [](UpgradeRequest) { throw std::runtime_error("no"); });
  EXPECT_NO_THROW(io_.run());
  EXPECT_EQ(client_->read_to_end(), "");
}

TEST_F(AsioHandoverTest, RefusesWhatIsNoSocket) {
  send_and_close(io_, UniqueFd(::dup(0)), "head", nullptr);
  EXPECT_EQ(io_.run(), 0u);
}

}  // namespace
}  // namespace imgrec::manager
