#include "net/ops_server.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/listen_address.h"
#include "tests/unit/manager_net/run_until.h"

namespace imgrec::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using imgrec::testing::run_until;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;

// A client on the server's io_context that says what it is told to, and keeps what comes.
class Caller {
 public:
  Caller(asio::io_context& io, const tcp::endpoint& server) : socket_(io) {
    socket_.connect(server);
    asio::async_read(socket_, asio::dynamic_buffer(heard_),
                     [this](boost::system::error_code error, std::size_t) {
                       ended_ = true;
                       in_order_ = error == asio::error::eof;
                     });
  }
  void say(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes)); }
  bool ended() const { return ended_; }
  bool in_order() const { return in_order_; }  // by a FIN, not by a reset
  const std::string& heard() const { return heard_; }

 private:
  tcp::socket socket_;
  std::string heard_;
  bool ended_ = false;
  bool in_order_ = false;
};

class OpsServerTest : public ::testing::Test {
 protected:
  void start(OpsServerOptions options = {}) {
    options.listen = "127.0.0.1:0";
    server_.emplace(io_, options,
                    OpsHandlers{[this] { return readiness_; }, [this] { return metrics_; }});
    const Status started = server_->start();
    ASSERT_TRUE(started.ok()) << started.message();
  }
  std::unique_ptr<Caller> call(std::string_view bytes = {}) {
    auto caller = std::make_unique<Caller>(io_, server_->endpoint());
    if (!bytes.empty()) caller->say(bytes);
    return caller;
  }
  std::string answer_to(std::string_view bytes) {
    const auto caller = call(bytes);
    EXPECT_TRUE(run_until(io_, [&] { return caller->ended(); }));
    EXPECT_TRUE(caller->in_order());
    return caller->heard();
  }
  std::string get(std::string_view path) {
    return answer_to("GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }

  asio::io_context io_;
  OpsHandlers::Readiness readiness_{true, "ready"};
  std::string metrics_ = "up 1\n";
  std::optional<OpsServer> server_;
};

TEST_F(OpsServerTest, AnswersItsThreePathsAndCloses) {
  start();
  EXPECT_THAT(get("/healthz"), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nok\n"),
                                     HasSubstr("Connection: close")));
  EXPECT_THAT(get("/metrics?x=1"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nup 1\n"),
                    HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n")));
  EXPECT_THAT(get("/readyz"), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\nready\n")));
  readiness_ = {false, "leaving"};
  EXPECT_THAT(get("/readyz"), AllOf(StartsWith("HTTP/1.1 503 Service Unavailable\r\n"),
                                    EndsWith("\r\n\r\nleaving\n")));
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(OpsServerTest, AnswersHeadWithoutABody) {
  start();
  EXPECT_THAT(answer_to("HEAD /metrics HTTP/1.1\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 5\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(answer_to("HEAD /other HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 404 "), EndsWith("\r\n\r\n")));
}

TEST_F(OpsServerTest, HasNothingElse) {
  start();
  for (const char* path :
       {"/", "/healthz/", "/api/v1/cluster", "//metrics", "/metrics%3f", "http://x/metrics", "*"}) {
    EXPECT_THAT(get(path), AllOf(StartsWith("HTTP/1.1 404 Not Found\r\n"),
                                 HasSubstr("Content-Type: application/problem+json\r\n"),
                                 HasSubstr(R"("code":"not_found")")))
        << path;
  }
  EXPECT_THAT(answer_to("POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")));
  EXPECT_THAT(answer_to("DELETE /healthz HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(OpsServerTest, RefusesWhatIsNoRequest) {
  start();
  EXPECT_THAT(answer_to("\x16\x03\x01\x02 hello\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to("GET /healthz HTTP/7.7\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to("GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(answer_to("GET /healthz HTTP/1.1\r\nX: " + std::string(9'000, 'a') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(OpsServerTest, AnswersOneRequestHoweverManyCome) {
  start();
  const std::string request = "GET /healthz HTTP/1.1\r\n\r\n";
  const std::string heard = answer_to(request + request + request);
  EXPECT_EQ(heard.find("HTTP/1.1", 1), std::string::npos) << heard;
}

TEST_F(OpsServerTest, TakesARequestByteByByte) {
  start();
  const auto caller = call();
  for (const char c : std::string("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) {
    caller->say(std::string(1, c));
    io_.poll();
  }
  ASSERT_TRUE(run_until(io_, [&] { return caller->ended(); }));
  EXPECT_THAT(caller->heard(), EndsWith("ok\n"));
}

TEST_F(OpsServerTest, ClosesTheOldestWhereThereAreTooMany) {
  OpsServerOptions options;
  options.max_connections = 4;
  start(options);
  std::vector<std::unique_ptr<Caller>> silent;
  for (int i = 0; i < 20; ++i) {
    silent.push_back(call("GET /hea"));
    ASSERT_TRUE(run_until(io_, [&] { return i < 4 || silent[i - 4]->ended(); })) << i;
  }
  EXPECT_LE(server_->connections(), 4u);
  EXPECT_FALSE(silent.back()->ended());
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(OpsServerTest, EndsAConnectionThatIsNoneOfItsBusinessInTime) {
  OpsServerOptions options;
  options.max_life = 50ms;
  start(options);
  const auto silent = call();
  const auto half = call("GET /metr");
  const auto stays = call("GET /healthz HTTP/1.1\r\n\r\n");  // reads its answer, and never leaves
  ASSERT_TRUE(run_until(io_, [&] { return server_->connections() == 3; }));
  ASSERT_TRUE(run_until(io_, [&] { return silent->ended() && half->ended() && stays->ended(); }));
  ASSERT_TRUE(run_until(io_, [&] { return server_->connections() == 0; }));
}

TEST_F(OpsServerTest, ClosesItsConnectionsWhenItEnds) {
  start();
  const auto caller = call("GET /he");
  ASSERT_TRUE(run_until(io_, [&] { return server_->connections() == 1; }));
  server_.reset();
  EXPECT_TRUE(run_until(io_, [&] { return caller->ended(); }));
}

TEST_F(OpsServerTest, SaysWhichPortCannotBeHad) {
  start();
  OpsServer second(io_, {.listen = to_text(server_->endpoint())}, {});
  const Status status = second.start();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(to_text(server_->endpoint())), HasSubstr("in use"),
                                      HasSubstr("--ops-listen")));
}

TEST(ListenAddress, ReadsAddressesWithPorts) {
  for (const char* good : {"127.0.0.1:9090", "0.0.0.0:0", "[::1]:9090", "[::]:65535"}) {
    const auto read = parse_listen_address("ops.listen", good);
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(to_text(*read), good);
  }
}

TEST(ListenAddress, RefusesEverythingElse) {
  for (const char* bad : {"", ":", "9090", ":9090", "127.0.0.1", "127.0.0.1:", "localhost:9090",
                          "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:1x", "::1:9090", "::1",
                          "[::1]", "[127.0.0.1]:9090", "[]:1", "1.2.3.4:5:6"}) {
    const auto read = parse_listen_address("ops.listen", bad);
    ASSERT_FALSE(read.ok()) << bad;
    EXPECT_EQ(read.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(read.status().message(), HasSubstr("ops.listen"));
  }
}

}  // namespace
}  // namespace imgrec::net
