// One connection to the server, plain or TLS, in the form that Asio's and Beast's algorithms take.
//
// Thread rule: confined to the thread of its io_context.
// Owns: the socket. Movable; REQUIRES: no operation is under way when it is moved or destroyed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/teardown.hpp>

#include "client/core/failure.h"
#include "client/core/server_url.h"
#include "proto/status.h"

namespace imgrec::client {

class ServerStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using next_layer_type = Socket;  // what Beast closes
  using executor_type = Socket::executor_type;

  // `tls`: null for a plain stream; it must outlive the stream.
  ServerStream(boost::asio::io_context& io, boost::asio::ssl::context* tls)
      : state_(std::make_unique<State>(io, tls)) {}

  executor_type get_executor() { return state_->socket.get_executor(); }
  Socket& next_layer() { return state_->socket; }
  const Socket& next_layer() const { return state_->socket; }
  boost::asio::ssl::stream<Socket&>* tls() { return state_->tls ? &*state_->tls : nullptr; }
  void close() {
    boost::system::error_code ignored;
    state_->socket.close(ignored);
  }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return state_->tls ? state_->tls->async_read_some(buffers, std::forward<Token>(token))
                       : state_->socket.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return state_->tls ? state_->tls->async_write_some(buffers, std::forward<Token>(token))
                       : state_->socket.async_write_some(buffers, std::forward<Token>(token));
  }

 private:
  struct State {
    State(boost::asio::io_context& io, boost::asio::ssl::context* context) : socket(io) {
      if (context != nullptr) tls.emplace(socket, *context);
    }
    Socket socket;
    std::optional<boost::asio::ssl::stream<Socket&>> tls;
  };
  std::unique_ptr<State> state_;
};

// For Beast: how a WebSocket over it ends. The FIN alone: what matters was said in its close frame.
template <class Handler>
void async_teardown(boost::beast::role_type role, ServerStream& stream, Handler&& handler) {
  boost::beast::websocket::async_teardown(role, stream.next_layer(),
                                          std::forward<Handler>(handler));
}

// What every call needs to know of the server.
struct ServerAccess {
  ServerUrl url;
  std::string session;                             // X-Session
  std::string token;                               // empty: none
  std::shared_ptr<boost::asio::ssl::context> tls;  // of https
  std::chrono::milliseconds patience{20'000};      // without a byte from or to the server
};

// For https: the system's authorities, or those of a file (PEM). Errors name the file.
Result<std::shared_ptr<boost::asio::ssl::context>> load_authorities(const std::string& file);

using ConnectHandler = std::function<void(std::variant<ServerStream, Failure>)>;

// Resolves, connects, shakes hands; within access.patience. The handler is called once, later.
void connect_to_server(boost::asio::io_context& io, std::shared_ptr<const ServerAccess> access,
                       ConnectHandler handler);

// "http://here:8080: Connection refused", as a failure of the network.
Failure network_failure(const ServerAccess& access, const std::string& what);

// How many names are being resolved. Asio does that on a thread, which cannot be interrupted: a
// process that ends meanwhile must not wait for it.
int resolving_now();

}  // namespace imgrec::client
