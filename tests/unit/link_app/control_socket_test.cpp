#include "link/app/control_socket.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "link/core/command.h"

namespace imgrec::link {
namespace {

using testing::HasSubstr;

class ControlSocketTest : public testing::Test {
 protected:
  ControlSocketTest() {
    char name[] = "/tmp/imgrec-control-XXXXXX";
    directory_ = ::mkdtemp(name);
    path_ = directory_ + "/socket";
  }
  ~ControlSocketTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<ControlSocket> open(std::string answer = "") {
    auto socket = ControlSocket::open(path_, [answer](std::string_view command) {
      return answer.empty() ? "{" + std::string(command) + "}" : answer;
    });
    EXPECT_TRUE(socket.ok()) << socket.status().message();
    return socket.ok() ? *std::move(socket) : nullptr;
  }

  // What ask() gets from `socket`, served meanwhile.
  Result<std::string> ask_of(ControlSocket& socket, const std::string& command) {
    Result<std::string> answer(std::string{});
    std::atomic<bool> done = false;
    std::thread client([&] {
      answer = ask(path_, command);
      done = true;
    });
    pollfd wait{socket.fd(), POLLIN, 0};
    while (!done) {
      if (::poll(&wait, 1, 10) > 0) socket.work();
    }
    client.join();
    return answer;
  }

  UniqueFd connect() const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  std::string directory_;
  std::string path_;
};

TEST_F(ControlSocketTest, AnswersALine) {
  const auto socket = open();
  const auto answer = ask_of(*socket, "stats");
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(*answer, "{stats}");
}

TEST_F(ControlSocketTest, AnswersMoreThanASocketHolds) {
  const std::string large(1 << 20, 'x');
  const auto socket = open(large);
  const auto answer = ask_of(*socket, "stats");
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(*answer, large);
}

TEST_F(ControlSocketTest, ManySilentPeersKeepNobodyOut) {
  const auto socket = open();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 40; ++i) {
    silent.push_back(connect());
    socket->work();
  }
  const auto answer = ask_of(*socket, "reset");
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(*answer, "{reset}");
}

TEST_F(ControlSocketTest, ALineWithoutEndIsAnsweredWhenItIsTooLong) {
  const auto socket = open("{\"error\":\"long\"}");
  const UniqueFd fd = connect();
  const std::string endless(2 * kMaxCommandBytes, 'x');
  ASSERT_EQ(::send(fd.get(), endless.data(), endless.size(), 0),
            static_cast<ssize_t>(endless.size()));
  pollfd wait{socket->fd(), POLLIN, 0};
  while (::poll(&wait, 1, 0) > 0) socket->work();
  char answer[64] = {};
  EXPECT_GT(::recv(fd.get(), answer, sizeof answer - 1, MSG_DONTWAIT), 0);
  EXPECT_STREQ(answer, "{\"error\":\"long\"}\n");
}

TEST_F(ControlSocketTest, OnlyItsUserMayConnectAndItIsGoneAtTheEnd) {
  auto socket = open();
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(path_).permissions() & (perms::group_all | perms::others_all),
            perms::none);
  socket.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_THAT(ask(path_, "stats").status().message(), HasSubstr("cannot be reached"));
}

TEST_F(ControlSocketTest, TakesThePlaceOfADeadOneAndOfNothingElse) {
  const auto refused = [this] {
    return ControlSocket::open(path_, [](std::string_view) { return std::string(); })
        .status()
        .message();
  };
  {
    const auto living = open();
    EXPECT_THAT(refused(), HasSubstr("another imgrec-link"));
    EXPECT_TRUE(std::filesystem::exists(path_));
  }
  {
    UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_NE(open(), nullptr);
}

}  // namespace
}  // namespace imgrec::link
