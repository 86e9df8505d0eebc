#include "client/net/http_client.h"

#include <functional>
#include <optional>
#include <thread>

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::client {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using testing::ElementsAre;
using testing::HasSubstr;

// A server that does with each connection, in turn, what the test says. Its own thread.
class ScriptedServer {
 public:
  using Step = std::function<void(Tcp::socket&)>;

  explicit ScriptedServer(std::vector<Step> steps)
      : acceptor_(io_, {asio::ip::address_v4::loopback(), 0}),
        thread_([this, steps = std::move(steps)] {
          for (const Step& step : steps) {
            Tcp::socket socket = acceptor_.accept();
            step(socket);
          }
        }) {}
  ~ScriptedServer() { thread_.join(); }

  std::string port() const { return std::to_string(acceptor_.local_endpoint().port()); }

  // The head of a request, and nothing of its body that did not come with it.
  static std::string read_head(Tcp::socket& socket) {
    std::string text;
    boost::system::error_code ignored;
    asio::read_until(socket, asio::dynamic_buffer(text), "\r\n\r\n", ignored);
    return text;
  }
  static void say(Tcp::socket& socket, const std::string& text) {
    boost::system::error_code ignored;
    asio::write(socket, asio::buffer(text), ignored);
  }
  static std::string ok(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

 private:
  asio::io_context io_;
  Tcp::acceptor acceptor_;
  std::thread thread_;
};

class HttpClientTest : public testing::Test {
 protected:
  void use(const ScriptedServer& server) { use_port(server.port()); }
  void use_port(const std::string& port) {
    ServerAccess access;
    access.url = *parse_server_url("http://127.0.0.1:" + port + "/pre");
    access.session = "0123456789abcdef";
    access.token = "secret";
    access.patience = patience_;
    client_ = std::make_unique<HttpClient>(io_, std::make_shared<const ServerAccess>(access));
  }

  HttpClient::Answer call(HttpCall call) {
    std::optional<HttpClient::Answer> answer;
    client_->call(std::move(call), [&](HttpClient::Answer a) { answer = std::move(a); });
    io_.restart();
    while (!answer && io_.run_one() > 0) {
    }
    return answer ? *std::move(answer) : HttpClient::Answer(Failure{});
  }
  std::string body_of(const HttpClient::Answer& answer) {
    if (const auto* failure = std::get_if<Failure>(&answer)) return "failed: " + failure->detail;
    return std::get<HttpAnswer>(answer).body;
  }
  static HttpCall post(std::string bytes) {
    HttpCall call;
    call.method = "POST";
    call.path = "/x";
    call.body = text_body(std::move(bytes));
    return call;
  }

  std::chrono::milliseconds patience_ = 10s;
  asio::io_context io_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(HttpClientTest, SendsWhoAsksAndKeepsTheConnection) {
  std::string first;
  ScriptedServer server({[&](Tcp::socket& socket) {
    first = ScriptedServer::read_head(socket);
    ScriptedServer::say(socket, ScriptedServer::ok("one"));
    ScriptedServer::read_head(socket);
    ScriptedServer::say(socket, ScriptedServer::ok("two"));
  }});
  use(server);
  EXPECT_EQ(body_of(call({.method = "GET", .path = "/a?b", .headers = {{"X-Y", "z"}}})), "one");
  EXPECT_EQ(body_of(call({.path = "/b"})), "two");
  EXPECT_THAT(first, testing::StartsWith("GET /pre/a?b HTTP/1.1\r\nHost: 127.0.0.1:"));
  for (const char* field :
       {"X-Session: 0123456789abcdef\r\n", "Authorization: Bearer secret\r\n", "X-Y: z\r\n"}) {
    EXPECT_THAT(first, HasSubstr(field));
  }
}

TEST_F(HttpClientTest, AKeptConnectionThatWasClosedIsNoFailure) {
  ScriptedServer server({[](Tcp::socket& socket) {
                           ScriptedServer::read_head(socket);
                           ScriptedServer::say(socket, ScriptedServer::ok("one"));
                         },
                         [](Tcp::socket& socket) {
                           ScriptedServer::read_head(socket);
                           ScriptedServer::say(socket, ScriptedServer::ok("two"));
                         }});
  use(server);
  EXPECT_EQ(body_of(call({.path = "/a"})), "one");
  EXPECT_EQ(body_of(call({.path = "/b"})), "two");
}

TEST_F(HttpClientTest, AFreshConnectionThatIsClosedIsAFailure) {
  ScriptedServer server({[](Tcp::socket& socket) { ScriptedServer::read_head(socket); }});
  use(server);
  const auto answer = call({.path = "/a"});
  ASSERT_TRUE(std::holds_alternative<Failure>(answer));
  EXPECT_EQ(std::get<Failure>(answer).kind, FailureKind::kNetwork);
  EXPECT_THAT(std::get<Failure>(answer).detail, HasSubstr("closed before the answer"));
}

TEST_F(HttpClientTest, SendsABodyInPiecesAndSaysHowFarItIs) {
  const std::string bytes(200'000, 'x');
  ScriptedServer server({[&](Tcp::socket& socket) {
    std::string text = ScriptedServer::read_head(socket);
    text.erase(0, text.find("\r\n\r\n") + 4);
    std::string rest(bytes.size() - text.size(), 0);
    asio::read(socket, asio::buffer(rest));
    ScriptedServer::say(socket, ScriptedServer::ok(text + rest == bytes ? "same" : "other"));
  }});
  use(server);
  std::vector<std::uint64_t> sent;
  HttpCall upload = post(bytes);
  upload.on_sent = [&](std::uint64_t n) { sent.push_back(n); };
  EXPECT_EQ(body_of(call(std::move(upload))), "same");
  EXPECT_THAT(sent, ElementsAre(65536, 131072, 196608, 200000));
}

TEST_F(HttpClientTest, AnAnswerMayComeBeforeTheBodyIsSent) {
  ScriptedServer server({[](Tcp::socket& socket) {
    ScriptedServer::read_head(socket);  // and nothing of the rest: more than any buffer holds
    ScriptedServer::say(socket, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    char byte = 0;
    boost::system::error_code ec;
    while (!ec) asio::read(socket, asio::buffer(&byte, 1), ec);  // until the client is gone
  }});
  use(server);
  const auto answer = call(post(std::string(64 << 20, 'x')));
  ASSERT_TRUE(std::holds_alternative<HttpAnswer>(answer)) << body_of(answer);
  EXPECT_EQ(std::get<HttpAnswer>(answer).status, 413);
  EXPECT_EQ(std::get<HttpAnswer>(answer).body, "no");
}

TEST_F(HttpClientTest, AServerThatSaysNothingIsGivenUp) {
  patience_ = 50ms;
  ScriptedServer server({[](Tcp::socket& socket) {
    std::string text;
    boost::system::error_code ignored;
    asio::read(socket, asio::dynamic_buffer(text), ignored);  // until the client is gone
  }});
  use(server);
  EXPECT_THAT(body_of(call({.path = "/a"})), HasSubstr("no answer came in time"));
}

TEST_F(HttpClientTest, NobodyThereIsAFailureOfTheNetwork) {
  asio::io_context io;
  Tcp::acceptor bound(io, {asio::ip::address_v4::loopback(), 0});
  const std::string port = std::to_string(bound.local_endpoint().port());
  bound.close();
  use_port(port);
  EXPECT_THAT(body_of(call({.path = "/a"})), HasSubstr("Connection refused"));
}

TEST_F(HttpClientTest, AnswersHaveALimit) {
  ScriptedServer server({[](Tcp::socket& socket) {
    ScriptedServer::read_head(socket);
    ScriptedServer::say(socket, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
  }});
  use(server);
  const auto answer = call({.path = "/a"});
  EXPECT_EQ(std::get<Failure>(answer).code, "answer_too_large");
}

TEST_F(HttpClientTest, WhatIsNoHttpIsNoFailureOfTheNetwork) {
  ScriptedServer server({[](Tcp::socket& socket) {
    ScriptedServer::read_head(socket);
    ScriptedServer::say(socket, "220 mail server\r\n");
  }});
  use(server);
  EXPECT_EQ(std::get<Failure>(call({.path = "/a"})).code, "bad_answer");
}

TEST_F(HttpClientTest, ABodyThatEndsEarlyIsTheFilesFault) {
  class Shrinking final : public UploadBody {
    std::uint64_t size() const override { return 10; }
    Result<std::size_t> read(std::uint64_t, char*, std::size_t) override { return std::size_t(0); }
  };
  ScriptedServer server({[](Tcp::socket& socket) {
    std::string text;
    boost::system::error_code ignored;
    asio::read(socket, asio::dynamic_buffer(text), ignored);
  }});
  use(server);
  HttpCall upload = post("x");
  upload.body = std::make_shared<Shrinking>();
  EXPECT_EQ(std::get<Failure>(call(std::move(upload))).kind, FailureKind::kLocal);
}

TEST(PercentEncode, LeavesNothingThatCouldEndAField) {
  EXPECT_EQ(percent_encode("a-b_c.d~9"), "a-b_c.d~9");
  EXPECT_EQ(percent_encode("a b/\r\n\xC3\xA9%"), "a%20b%2F%0D%0A%C3%A9%25");
}

}  // namespace
}  // namespace imgrec::client
