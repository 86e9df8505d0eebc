#include "net/tcp_tuner.h"

#include <string>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace imgrec::net {
namespace {

using namespace std::chrono_literals;

constexpr int kRtoMinUs = 45;  // TCP_RTO_MIN_US, which these headers do not have

class Tuning : public ::testing::Test {
 protected:
  Tuning() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) { EXPECT_GE(fd_, 0); }
  ~Tuning() override { ::close(fd_); }

  int get(int level, int option) const {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd_, level, option, &value, &size) == 0 ? value : -1;
  }
  std::string congestion() const {
    char name[32] = {};
    socklen_t size = sizeof name;
    EXPECT_EQ(::getsockopt(fd_, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
    return name;
  }
  bool takes(const std::string& congestion) const {
    return ::setsockopt(fd_, IPPROTO_TCP, TCP_CONGESTION, congestion.data(),
                        static_cast<socklen_t>(congestion.size())) == 0;
  }
  static TcpFigures of_way(std::chrono::microseconds round_trip) {
    TcpFigures figures;
    figures.least_rtt = round_trip;
    return figures;
  }

  int fd_;
};

TEST_F(Tuning, MakesADeadPeerKnownWithinHalfAMinute) {
  TcpTuner().begin(fd_);
  EXPECT_NE(get(IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_NE(get(SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(get(IPPROTO_TCP, TCP_KEEPIDLE), 15);
  EXPECT_EQ(get(IPPROTO_TCP, TCP_KEEPINTVL), 5);
  EXPECT_EQ(get(IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(get(IPPROTO_TCP, TCP_USER_TIMEOUT), 20'000);
  EXPECT_EQ(get(IPPROTO_TCP, TCP_NOTSENT_LOWAT), 128 * 1024);
}

TEST_F(Tuning, FollowsTheWay) {
  if (!takes("bbr") || !takes("cubic")) GTEST_SKIP() << "this kernel has not both of bbr and cubic";
  TcpTuner tuner;
  tuner.begin(fd_);
  tuner.follow(fd_, of_way(1s));
  EXPECT_EQ(congestion(), "cubic");
  tuner.follow(fd_, of_way(2ms));
  EXPECT_EQ(congestion(), "bbr");
}

TEST_F(Tuning, LeavesWhatWasChosenByHand) {
  if (!takes("cubic")) GTEST_SKIP() << "this kernel has no cubic";
  TcpTuner tuner({.congestion_control = "cubic"});
  tuner.begin(fd_);
  tuner.follow(fd_, of_way(2ms));
  EXPECT_EQ(congestion(), "cubic");
}

TEST_F(Tuning, NeedsLanesWherePacketsAreLostAndThereIsNoBbr) {
  const auto way = [](std::uint32_t lost, const std::string& congestion_control) {
    TcpFigures figures = of_way(2ms);
    figures.counters.emplace();
    figures.counters->data_segments_out = 200;
    figures.counters->retransmissions = lost;
    figures.congestion_control = congestion_control;
    return figures;
  };
  for (const auto& [lost, kernels_own, needs] :
       {std::tuple(30u, "cubic", true), std::tuple(0u, "cubic", false),
        std::tuple(30u, "bbr", false)}) {
    TcpTuner tuner({.congestion_control = ""});
    tuner.begin(fd_);
    tuner.follow(fd_, way(lost, kernels_own));
    EXPECT_EQ(tuner.needs_lanes(), needs) << lost << kernels_own;
  }
  TcpTuner refused({.congestion_control = "not-there"});
  refused.follow(fd_, way(30, "cubic"));
  EXPECT_TRUE(refused.needs_lanes());
  if (!takes("bbr")) GTEST_SKIP() << "this kernel has no bbr";
  TcpTuner chosen;
  chosen.follow(fd_, way(30, "cubic"));
  EXPECT_FALSE(chosen.needs_lanes()) << "it was changed a moment ago";
}

TEST_F(Tuning, FitsTheTimersToTheRoundTrip) {
  if (get(IPPROTO_TCP, kRtoMinUs) < 0) GTEST_SKIP() << "this kernel's timers cannot be set";
  TcpTuner tuner;
  tuner.begin(fd_);
  tuner.follow(fd_, of_way(400ms));
  EXPECT_EQ(get(IPPROTO_TCP, kRtoMinUs), 100'000);
  tuner.follow(fd_, of_way(2ms));
  EXPECT_EQ(get(IPPROTO_TCP, kRtoMinUs), 20'000);
  tuner.follow(fd_, of_way(10s));
  EXPECT_EQ(get(IPPROTO_TCP, kRtoMinUs), 200'000);
}

TEST(TuningOfNoSocket, DoesNoHarm) { TcpTuner().begin(-1); }

}  // namespace
}  // namespace imgrec::net
