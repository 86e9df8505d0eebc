// A dialer and a manager that this test plays, on loopback.
#include "worker/net/lane_dialer.h"

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/manager_net/run_until.h"
#include "tests/unit/net/certificates.h"

namespace imgrec::worker {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;
using ::testing::SizeIs;

class LaneDialerTest : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kLanes = 2;

  LaneDialerTest() : acceptor_(io_, {asio::ip::address_v4::loopback(), 0}) {
    options_.manager = acceptor_.local_endpoint();
    accept();
  }
  ~LaneDialerTest() override { dialer_->stop(); }

  void start() {
    dialer_ = std::make_shared<LaneDialer>(io_.get_executor(), options_,
                                           proto::Lanes{kLanes, std::string(32, 'k')});
    dialer_->start();
  }
  template <class Condition>
  bool eventually(Condition condition) {
    return imgrec::testing::run_until(io_, condition);
  }
  void run_for(milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    eventually([end] { return std::chrono::steady_clock::now() >= end; });
  }

  asio::io_context io_;
  tcp::acceptor acceptor_;
  std::vector<tcp::socket> came_;
  LaneDialerOptions options_;
  std::shared_ptr<LaneDialer> dialer_;

 private:
  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
      if (error) return;
      came_.push_back(std::move(socket));
      accept();
    });
  }
};

TEST_F(LaneDialerTest, SaysLaneOnceOnEach) {
  options_.word_patience = milliseconds(20);
  start();
  ASSERT_TRUE(eventually([&] { return dialer_->complete() && came_.size() == kLanes; }));
  run_for(milliseconds(100));
  EXPECT_THAT(came_, SizeIs(kLanes)) << "what was heard is not said again";
  const auto streams = dialer_->take();
  EXPECT_THAT(streams, SizeIs(kLanes));
  EXPECT_FALSE(dialer_->complete());
}

TEST_F(LaneDialerTest, OpensALaneAgainThatTheManagerCloses) {
  options_.connect_patience = milliseconds(20);
  start();
  ASSERT_TRUE(eventually([&] { return dialer_->complete() && came_.size() == kLanes; }));
  came_[0].close();
  ASSERT_TRUE(eventually([&] { return came_.size() == kLanes + 1; }));
  EXPECT_TRUE(eventually([&] { return dialer_->complete(); }));
}

// As where what was sent last is lost again and again.
TEST_F(LaneDialerTest, OpensALaneAgainOnWhichNoHandshakeComes) {
  const imgrec::testing::Certificates certificates(IMGREC_SOURCE_DIR);
  auto tls = net::TlsContext::load(net::TlsContext::Role::kWorker, certificates.files("", "ca"));
  ASSERT_TRUE(tls.ok()) << tls.status().to_string();
  options_.tls = *tls;
  options_.tls_server_name = "localhost";
  options_.word_patience = milliseconds(50);
  start();
  ASSERT_TRUE(eventually([&] { return came_.size() >= 3 * kLanes; }));
  EXPECT_FALSE(dialer_->complete());
  dialer_->stop();
  const std::size_t before = came_.size();
  run_for(milliseconds(150));
  EXPECT_LE(came_.size(), before + kLanes) << "none but those that were on their way";
}

TEST_F(LaneDialerTest, GivesUpInTheEnd) {
  options_.give_up_after = milliseconds(50);
  start();
  ASSERT_TRUE(eventually([&] { return dialer_->complete(); }));
  EXPECT_TRUE(eventually([&] { return !dialer_->complete(); }));
  std::array<char, 4096> greeting{};
  boost::system::error_code error;
  asio::read(came_.at(0), asio::buffer(greeting), error);
  EXPECT_EQ(error, asio::error::eof) << "closed";
}

}  // namespace
}  // namespace imgrec::worker
