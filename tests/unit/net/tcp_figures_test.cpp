#include "net/tcp_figures.h"

#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
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
  EXPECT_GT(figures->delivery_bits_per_s.value_or(0), 0u);
  EXPECT_GT(figures->congestion_window_bytes.value_or(0), 1'000u) << "bytes, not segments";
}

TEST_F(TcpFiguresTest, TellABacklog) {
  asio::write(ours_, asio::buffer(std::string(5'000, 'x')));
  std::string here(5'000, '\0');
  asio::read(theirs_, asio::buffer(here));
  const auto before = read_backlog(ours_.native_handle());
  ASSERT_TRUE(before);
  EXPECT_EQ(before->unsent, 0u);
  // Its reader takes nothing: what does not fit its window is not sent.
  ours_.non_blocking(true);
  theirs_.set_option(tcp::socket::receive_buffer_size(4096));
  const std::string block(1 << 20, 'x');
  boost::system::error_code full;
  std::uint64_t written = 0;
  while (!full) written += ours_.write_some(asio::buffer(block), full);
  const auto after = read_backlog(ours_.native_handle());
  ASSERT_TRUE(after);
  EXPECT_EQ(after->acknowledged + after->unacknowledged,
            before->acknowledged + before->unacknowledged + written);
  EXPECT_GT(after->unsent, 0u);
  EXPECT_LE(after->unsent, after->unacknowledged);
  EXPECT_FALSE(read_backlog(-1));
}

TEST_F(TcpFiguresTest, NameTheCongestionControl) {
  ASSERT_EQ(::setsockopt(ours_.native_handle(), IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
  EXPECT_EQ(read_tcp_figures(ours_.native_handle())->congestion_control, "reno");
}

// Of a stream either way; the far end's view is the same with ways exchanged, as nothing is lost.
TEST_F(TcpFiguresTest, CountWhatEitherSideSent) {
  const std::string there(200'000, 'x');
  std::string here(there.size(), '\0');
  asio::write(ours_, asio::buffer(there));
  asio::read(theirs_, asio::buffer(here));
  asio::write(theirs_, asio::buffer(there.data(), 100));
  asio::read(ours_, asio::buffer(here.data(), 100));
  const auto counters = read_tcp_figures(ours_.native_handle())->counters;
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->payload_out, 200'000u);
  EXPECT_EQ(counters->payload_in, 100u);
  EXPECT_EQ(counters->payload_again, 0u);
  EXPECT_EQ(counters->retransmissions, 0u) << "loopback loses nothing";
  EXPECT_GE(counters->segments_out, counters->data_segments_out);
  EXPECT_GE(counters->data_segments_out, 200'000u / 65'483) << "of loopback's MTU";
  EXPECT_GT(counters->segments_in, 0u);
  EXPECT_EQ(counters->header_bytes, 20u + 20 + 12) << "IPv4, TCP, time stamps";
}

TEST_F(TcpFiguresTest, KeepCountingUntilTheSocketIsClosedWhenTheOtherEndHasReset) {
  asio::write(ours_, asio::buffer(std::string(1'000, 'x')));
  theirs_.set_option(asio::socket_base::linger(true, 0));  // what it has not read goes with it
  theirs_.close();
  const auto figures = read_tcp_figures(ours_.native_handle());
  ASSERT_TRUE(figures && figures->counters);
  EXPECT_EQ(figures->counters->payload_out, 1'000u);
  EXPECT_EQ(figures->counters->header_bytes, 52u);
}

// A listener of all addresses (::) hears IPv4 too, in an IPv6 socket.
TEST(TcpFigures, TellAnIpv4PeerOfAnIpv6SocketFromAnIpv6One) {
  asio::io_context io;
  tcp::acceptor acceptor(io);
  acceptor.open(tcp::v6());
  acceptor.set_option(asio::ip::v6_only(false));
  boost::system::error_code ec;
  acceptor.bind({asio::ip::address_v6::any(), 0}, ec);
  if (ec) GTEST_SKIP() << "no IPv6 here: " << ec.message();
  acceptor.listen();
  const auto headers_of = [&](const asio::ip::address& address) {
    tcp::socket out(io);
    tcp::socket in(io);
    out.connect({address, acceptor.local_endpoint().port()}, ec);
    acceptor.accept(in);
    return read_tcp_figures(in.native_handle())->counters->header_bytes;
  };
  EXPECT_EQ(headers_of(asio::ip::address_v4::loopback()), 52u);
  EXPECT_EQ(headers_of(asio::ip::address_v6::loopback()), 72u);
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
