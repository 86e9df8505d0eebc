#include "client/net/result_socket.h"

#include <ctime>
#include <string>
#include <utility>

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

#include "client/net/http_client.h"
#include "client/text/server_answers.h"

namespace imgrec::client {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;

namespace {

constexpr std::size_t kMaxMessage = 1024 * 1024;

class ResultSocket : public std::enable_shared_from_this<ResultSocket> {
 public:
  ResultSocket(asio::io_context& io, std::shared_ptr<const ServerAccess> access,
               std::function<void(Event)> on_event)
      : io_(io), access_(std::move(access)), on_event_(std::move(on_event)) {}

  void start(std::optional<std::uint64_t> after) {
    target_ = access_->url.prefix + "/ws" + (after ? "?after=" + std::to_string(*after) : "");
    connect_to_server(io_, access_,
                      [self = shared_from_this()](std::variant<ServerStream, Failure> result) {
                        if (auto* failure = std::get_if<Failure>(&result)) {
                          return self->on_event_(SocketLost{std::move(*failure)});
                        }
                        self->upgrade(std::move(std::get<ServerStream>(result)));
                      });
  }

 private:
  void upgrade(ServerStream stream) {
    ws_.emplace(std::move(stream));
    ws_->set_option(websocket::stream_base::timeout{access_->patience, access_->patience,
                                                    /*keep_alive_pings=*/true});
    ws_->set_option(websocket::stream_base::decorator([access = access_](auto& request) {
      for (const auto& [name, value] : access_headers(*access)) request.set(name, value);
    }));
    ws_->read_message_max(kMaxMessage);
    ws_->async_handshake(answer_, access_->url.authority(), target_,
                         [self = shared_from_this()](error_code ec) {
                           if (ec) return self->refused(ec);
                           self->read();
                         });
  }

  void refused(error_code ec) {
    if (ec != websocket::error::upgrade_declined) return lost(ec);
    const HttpAnswer answer{static_cast<int>(answer_.result_int()),
                            std::string(answer_[beast::http::field::retry_after]), answer_.body()};
    on_event_(SocketLost{read_refused_upgrade(answer, std::time(nullptr))});
  }

  void read() {
    ws_->async_read(buffer_, [self = shared_from_this()](error_code ec, std::size_t) {
      if (ec) return self->lost(ec);
      const std::string text = beast::buffers_to_string(self->buffer_.data());
      self->buffer_.consume(self->buffer_.size());
      if (auto event = read_socket_message(text)) self->on_event_(std::move(*event));
      self->read();
    });
  }

  void lost(error_code ec) {
    const std::string what = ec == websocket::error::closed || ec == asio::error::eof
                                 ? "it closed the connection"
                             : ec == beast::error::timeout ? "it fell silent"
                                                           : ec.message();
    on_event_(SocketLost{network_failure(*access_, what)});
  }

  asio::io_context& io_;
  const std::shared_ptr<const ServerAccess> access_;
  const std::function<void(Event)> on_event_;
  std::string target_;
  std::optional<websocket::stream<ServerStream>> ws_;
  websocket::response_type answer_;
  beast::flat_buffer buffer_;
};

}  // namespace

void open_result_socket(asio::io_context& io, std::shared_ptr<const ServerAccess> access,
                        std::optional<std::uint64_t> after, std::function<void(Event)> on_event) {
  std::make_shared<ResultSocket>(io, std::move(access), std::move(on_event))->start(after);
}

}  // namespace imgrec::client
