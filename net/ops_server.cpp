#include "net/ops_server.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <spdlog/spdlog.h>

#include "net/listen_address.h"

namespace imgrec::net {
namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::string_view kOption = "ops.listen";
constexpr std::string_view kPlain = "text/plain; charset=utf-8";
constexpr std::string_view kMetrics = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::string_view kProblem = "application/problem+json";
constexpr std::size_t kMaxIgnoredBytes = 64 * 1024;  // of a body that nobody asked for

struct Answer {
  int status = 200;
  std::string_view phrase = "OK";
  std::string_view type = kPlain;
  std::string body;
  std::string_view more = {};  // further header lines
};

Answer problem(int status, std::string_view phrase, std::string_view code,
               std::string_view detail) {
  std::string body = R"({"type":"about:blank","title":")" + std::string(phrase) + R"(","status":)" +
                     std::to_string(status) + R"(,"detail":")" + std::string(detail) +
                     R"(","code":")" + std::string(code) + "\"}\n";
  return {status, phrase, kProblem, std::move(body)};
}

std::string text_of(const Answer& answer, bool with_body) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " " +
                     std::string(answer.phrase) + "\r\nContent-Type: " + std::string(answer.type) +
                     "\r\nContent-Length: " + std::to_string(answer.body.size()) +
                     "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n" +
                     std::string(answer.more) + "Connection: close\r\n\r\n";
  return with_body ? text + answer.body : text;
}

std::string text_of(const error_code& error) {
  const bool large = error == http::error::header_limit || error == http::error::buffer_overflow;
  return text_of(large ? problem(431, "Request Header Fields Too Large", "head_too_large",
                                 "the head of this request is larger than this port takes")
                       : problem(400, "Bad Request", "bad_request", "this is no HTTP/1.1 request"),
                 true);
}

}  // namespace

// One request, one answer; then our FIN, and whatever the other side still sends is thrown away
// until it closes too. (Closing at once could make the kernel send a reset, which would take the
// answer with it.)
class OpsServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(OpsServer& server, tcp::socket socket)
      : server_(&server),
        socket_(std::move(socket)),
        deadline_(socket_.get_executor()),
        buffer_(server.options_.max_head_bytes) {
    parser_.header_limit(static_cast<std::uint32_t>(server.options_.max_head_bytes));
  }

  void start() {
    deadline_.expires_after(server_->options_.max_life);
    deadline_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec) self->close();
    });
    http::async_read_header(
        socket_, buffer_, parser_,
        [self = shared_from_this()](error_code ec, std::size_t) { self->on_head(ec); });
  }

  // Also by the server, which may be on its way out.
  void close() {
    if (server_ == nullptr) return;
    OpsServer& server = *std::exchange(server_, nullptr);
    error_code ignored;
    socket_.close(ignored);
    deadline_.cancel();
    server.remove(*this);
  }

 private:
  void on_head(error_code ec) {
    if (server_ == nullptr) return;
    // The other side left, or said nothing that could be answered.
    if (ec && ec.category() != http::make_error_code(http::error::bad_method).category()) {
      return close();
    }
    if (ec == http::error::end_of_stream || ec == http::error::partial_message) return close();
    const auto& head = parser_.get();
    const auto view = [](boost::beast::string_view s) {
      return std::string_view{s.data(), s.size()};
    };
    text_ = ec ? text_of(ec) : server_->answer(view(head.method_string()), view(head.target()));
    asio::async_write(
        socket_, asio::buffer(text_),
        [self = shared_from_this()](error_code failed, std::size_t) { self->on_written(failed); });
  }

  void on_written(error_code ec) {
    if (server_ == nullptr) return;
    if (!ec) socket_.shutdown(tcp::socket::shutdown_send, ec);
    if (ec) return close();
    ignore_rest();
  }

  void ignore_rest() {
    socket_.async_read_some(asio::buffer(ignored_),
                            [self = shared_from_this()](error_code ec, std::size_t bytes) {
                              self->ignored_bytes_ += bytes;
                              if (ec || self->ignored_bytes_ > kMaxIgnoredBytes) {
                                return self->close();
                              }
                              self->ignore_rest();
                            });
  }

  OpsServer* server_;  // null: closed
  tcp::socket socket_;
  asio::steady_timer deadline_;
  boost::beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  std::string text_;
  std::array<char, 1024> ignored_{};
  std::size_t ignored_bytes_ = 0;
};

OpsServer::OpsServer(asio::io_context& io, OpsServerOptions options, OpsHandlers handlers)
    : io_(io),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      acceptor_(io),
      retry_timer_(io) {}

OpsServer::~OpsServer() {
  while (!connections_.empty()) {
    const std::shared_ptr<Connection> connection = connections_.front();
    connection->close();
  }
}

Status OpsServer::start() {
  const auto endpoint = parse_listen_address(kOption, options_.listen);
  if (!endpoint.ok()) return endpoint.status();
  error_code ec;
  acceptor_.open(endpoint->protocol(), ec);
  if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor_.bind(*endpoint, ec);
  if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) {
    return Status(StatusCode::kUnavailable,
                  "cannot listen for operations on " + to_text(*endpoint) + ": " + ec.message() +
                      "; stop the other program or choose another port with --ops-listen");
  }
  spdlog::info("ops_listening address={}", to_text(acceptor_.local_endpoint()));
  accept();
  return {};
}

tcp::endpoint OpsServer::endpoint() const { return acceptor_.local_endpoint(); }

void OpsServer::accept() {
  acceptor_.async_accept([this](error_code ec, tcp::socket socket) {
    if (ec == asio::error::operation_aborted) return;
    if (ec) {
      spdlog::warn("ops_accept_failed error=\"{}\"", ec.message());
      return accept_later();
    }
    if (connections_.size() >= options_.max_connections) {
      const std::shared_ptr<Connection> oldest = connections_.front();
      oldest->close();
    }
    connections_.push_back(std::make_shared<Connection>(*this, std::move(socket)));
    connections_.back()->start();
    accept();
  });
}

// Out of descriptors or memory: trying again at once would only spin.
void OpsServer::accept_later() {
  retry_timer_.expires_after(std::chrono::milliseconds(100));
  retry_timer_.async_wait([this](error_code ec) {
    if (!ec) accept();
  });
}

void OpsServer::remove(Connection& connection) {
  connections_.remove_if([&](const auto& each) { return each.get() == &connection; });
}

std::string OpsServer::answer(std::string_view method, std::string_view target) const {
  const std::string_view path = target.substr(0, target.find('?'));
  const bool known = path == "/healthz" || path == "/readyz" || path == "/metrics";
  if (!known) {
    return text_of(problem(404, "Not Found", "not_found",
                           "the operations port has /healthz, /readyz and /metrics"),
                   method != "HEAD");
  }
  if (method != "GET" && method != "HEAD") {
    Answer refused = problem(405, "Method Not Allowed", "method_not_allowed",
                             "the operations port takes GET and HEAD");
    refused.more = "Allow: GET, HEAD\r\n";
    return text_of(refused, true);
  }
  Answer answer;
  if (path == "/metrics") {
    answer.type = kMetrics;
    answer.body = handlers_.metrics();
  } else if (path == "/readyz") {
    OpsHandlers::Readiness readiness = handlers_.readiness();
    if (!readiness.ready) {
      answer.status = 503;
      answer.phrase = "Service Unavailable";
    }
    answer.body = std::move(readiness.sentence) + "\n";
  } else {
    answer.body = "ok\n";  // it answers, so it lives
  }
  return text_of(answer, method == "GET");
}

Option ops_listen_option(std::string& target) {
  return {.key = std::string(kOption),
          .target = &target,
          .help = "address and port of /healthz, /readyz and /metrics; empty: none",
          .flag = "",
          .value = "ADDR:PORT",
          .check =
              [&target] {
                return target.empty() ? Status() : parse_listen_address(kOption, target).status();
              },
          .secret = false};
}

}  // namespace imgrec::net
