#include "net/tcp_figures.h"

#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace imgrec::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class TcpFiguresTest : public ::testing::Test {
 protected:
  TcpFiguresTest() {
    tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    ours_.connect(acceptor.local_endpoint());
    acceptor.accept(theirs_);
  }
  asio::io_context io_;
  tcp::socket ours_{io_};
  tcp::socket theirs_{io_};
};

TEST_F(TcpFiguresTest, TellRoundTripAndDeliveryOfAConnectionInUse) {
  const std::string there(200'000, 'x');
  std::string here(there.size(), '\0');
  asio::write(ours_, asio::buffer(there));
  asio::read(theirs_, asio::buffer(here));
  const auto figures = read_tcp_figures(ours_.native_handle());
  ASSERT_TRUE(figures);
  ASSERT_TRUE(figures->rtt);
  EXPECT_GT(figures->rtt->count(), 0);
  EXPECT_LT(*figures->rtt, std::chrono::seconds(1)) << "microseconds, on loopback";
  ASSERT_TRUE(figures->least_rtt);
  EXPECT_LE(*figures->least_rtt, *figures->rtt);
  EXPECT_EQ(figures->retransmissions, 0u);
  EXPECT_GT(figures->delivery_bits_per_s.value_or(0), 0u);
}

TEST_F(TcpFiguresTest, CountWhatIsNotAcknowledged) {
  EXPECT_EQ(read_tcp_figures(ours_.native_handle())->unacknowledged_bytes, 0u);
  EXPECT_FALSE(read_tcp_figures(ours_.native_handle())->delivery_bits_per_s) << "nothing was sent";
}

TEST(TcpFigures, OfSomethingElseThanATcpSocketAreNotThere) {
  EXPECT_FALSE(read_tcp_figures(-1));
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_GE(fd, 0);
  EXPECT_FALSE(read_tcp_figures(fd));
  ::close(fd);
}

}  // namespace
}  // namespace imgrec::net
