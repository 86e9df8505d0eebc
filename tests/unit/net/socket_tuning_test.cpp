#include "net/socket_tuning.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace imgrec::net {
namespace {

int get(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

TEST(SocketTuning, MakeADeadPeerKnownWithinHalfAMinute) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_GE(fd, 0);
  tune_socket(fd);
  EXPECT_NE(get(fd, IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_NE(get(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_KEEPINTVL), 5);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 20'000);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 128 * 1024);
  ::close(fd);
}

TEST(SocketTuning, OfSomethingElseThanASocketDoNoHarm) { tune_socket(-1); }

}  // namespace
}  // namespace imgrec::net
