#include "client/net/http_client.h"

#include <array>
#include <optional>
#include <string_view>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

namespace imgrec::client {
namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::size_t kMaxHead = 16 * 1024;
constexpr std::size_t kMaxIdle = 64;
// A server that closes in the middle of an upload has mostly said why.
constexpr std::chrono::seconds kLastWords(2);

std::string request_head(const ServerAccess& access, const HttpCall& call) {
  std::string head = call.method + " " + access.url.prefix + call.path + " HTTP/1.1\r\n";
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  add("Host", access.url.authority());
  add("Connection", "keep-alive");
  for (const auto& [name, value] : access_headers(access)) add(name, value);
  for (const auto& [name, value] : call.headers) add(name, value);
  if (call.body) add("Content-Length", std::to_string(call.body->size()));
  return head + "\r\n";
}

}  // namespace

// One request and its answer. The answer is read while the request is being written, since a
// server may refuse a large one by its head alone.
class HttpClient::Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(HttpClient& client, std::shared_ptr<const HttpCall> call, Handler handler)
      : client_(client),
        access_(client.access_),
        call_(std::move(call)),
        handler_(std::move(handler)),
        deadline_(client.io_) {}

  void connect() {
    connect_to_server(client_.io_, access_,
                      [self = shared_from_this()](std::variant<ServerStream, Failure> result) {
                        if (auto* failure = std::get_if<Failure>(&result)) {
                          return self->finish(std::move(*failure));
                        }
                        self->begin(std::move(std::get<ServerStream>(result)), /*kept=*/false);
                      });
  }

  void begin(ServerStream stream, bool kept) {
    stream_.emplace(std::move(stream));
    kept_ = kept;
    head_ = request_head(*access_, *call_);
    parser_.header_limit(kMaxHead);
    parser_.body_limit(kMaxAnswer);
    parser_.eager(true);  // each read takes what is there of the body
    expect_more(access_->patience);
    read_more();
    write_piece(head_);
  }

 private:
  void expect_more(std::chrono::milliseconds patience) {
    deadline_.expires_after(patience);
    deadline_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec) self->finish(network_failure(*self->access_, "no answer came in time"));
    });
  }

  // The body's next piece behind `head`: a server that waits for the one need not wake for the
  // other.
  void write_piece(std::string_view head) {
    std::size_t length = 0;
    if (call_->body && sent_ < call_->body->size()) {
      const auto got = call_->body->read(sent_, piece_.data(), piece_.size());
      if (!got.ok() || *got == 0) {
        const std::string why =
            got.ok() ? "it became shorter while it was sent" : got.status().message();
        return asio::post(client_.io_, [self = shared_from_this(), why] {
          self->finish(Failure{FailureKind::kLocal, "unreadable", why});
        });
      }
      length = *got;
    }
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(head),
                                                    asio::buffer(piece_.data(), length)};
    asio::async_write(*stream_, buffers,
                      [self = shared_from_this(), length](error_code ec, std::size_t) {
                        self->on_written(ec, length);
                      });
  }

  void on_written(error_code ec, std::size_t length) {
    if (done_) return;
    if (ec) return expect_more(kLastWords);
    expect_more(access_->patience);
    sent_ += length;
    if (length > 0 && call_->on_sent) call_->on_sent(sent_);
    if (call_->body && sent_ < call_->body->size()) return write_piece({});
    written_ = true;
  }

  void read_more() {
    http::async_read_some(
        *stream_, buffer_, parser_,
        [self = shared_from_this()](error_code ec, std::size_t) { self->on_read(ec); });
  }

  void on_read(error_code ec) {
    if (done_) return;
    if (!ec && !parser_.is_done()) {
      expect_more(access_->patience);
      return read_more();
    }
    if (!ec) {
      const auto& message = parser_.get();
      HttpAnswer answer{static_cast<int>(message.result_int()),
                        std::string(message[http::field::retry_after]), message.body()};
      return finish(std::move(answer));
    }
    if (ec == http::error::body_limit || ec == http::error::header_limit) {
      return finish(Failure{FailureKind::kServer, "answer_too_large",
                            access_->url.text() + ": its answer is larger than any should be"});
    }
    if (ec.category() == make_error_code(http::error::bad_version).category() &&
        ec != http::error::end_of_stream && ec != http::error::partial_message) {
      return finish(Failure{FailureKind::kServer, "bad_answer",
                            access_->url.text() + ": its answer is no HTTP: " + ec.message()});
    }
    if (kept_ && !parser_.got_some()) return again();
    finish(network_failure(*access_,
                           ec == http::error::end_of_stream || ec == http::error::partial_message
                               ? "the connection was closed before the answer"
                               : ec.message()));
  }

  // It was closed while it was idle.
  void again() {
    done_ = true;
    deadline_.cancel();
    stream_->close();
    client_.start(call_, std::move(handler_), /*fresh=*/true);
  }

  void finish(Answer answer) {
    if (done_) return;
    done_ = true;
    deadline_.cancel();
    const bool whole = std::holds_alternative<HttpAnswer>(answer) && written_;
    if (stream_ && whole && parser_.get().keep_alive() && buffer_.size() == 0) {
      client_.keep(std::move(*stream_));
    } else if (stream_) {
      stream_->close();
    }
    handler_(std::move(answer));
  }

  HttpClient& client_;
  const std::shared_ptr<const ServerAccess> access_;
  const std::shared_ptr<const HttpCall> call_;
  Handler handler_;
  asio::steady_timer deadline_;
  std::optional<ServerStream> stream_;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  std::string head_;
  std::array<char, kPiece> piece_;  // of the body, being sent
  std::uint64_t sent_ = 0;
  bool written_ = false;
  bool kept_ = false;
  bool done_ = false;
};

HttpClient::HttpClient(asio::io_context& io, std::shared_ptr<const ServerAccess> access)
    : io_(io), access_(std::move(access)) {}

void HttpClient::call(HttpCall call, Handler handler) {
  start(std::make_shared<const HttpCall>(std::move(call)), std::move(handler), /*fresh=*/false);
}

void HttpClient::start(std::shared_ptr<const HttpCall> call, Handler handler, bool fresh) {
  auto exchange = std::make_shared<Exchange>(*this, std::move(call), std::move(handler));
  if (fresh) idle_.clear();  // what the server did to one it mostly did to all
  if (idle_.empty()) return exchange->connect();
  ServerStream stream = std::move(idle_.back());
  idle_.pop_back();
  exchange->begin(std::move(stream), /*kept=*/true);
}

void HttpClient::keep(ServerStream stream) {
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(stream));
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    const auto byte = static_cast<unsigned char>(c);
    encoded += plain ? std::string(1, c) : std::string{'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return encoded;
}

HttpHeaders access_headers(const ServerAccess& access) {
  HttpHeaders headers{{"User-Agent", "imgrec"}, {"X-Session", access.session}};
  if (!access.token.empty()) headers.emplace_back("Authorization", "Bearer " + access.token);
  return headers;
}

}  // namespace imgrec::client
