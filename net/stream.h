// One connection between a manager and a worker, plain TCP or TLS over it, used the same way.
//
// Thread rule: confined to its io_context's one thread.
// Owns: the socket. Held by shared_ptr; pending operations hold it too, so that no operation ever
// outlives the TLS engine it works on. Handlers come on the io_context, with
// boost::asio::error::operation_aborted where close() was called.
//
// At most one read and one write may be under way at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "net/tls_context.h"
#include "proto/status.h"

namespace imgrec::net {

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  using Tcp = boost::asio::ip::tcp;
  using ErrorCode = boost::system::error_code;
  using IoHandler = std::function<void(const ErrorCode&, std::size_t)>;
  using HandshakeHandler = std::function<void(const Status&)>;

  // `tls`: null for a plain stream.
  Stream(Tcp::socket socket, std::shared_ptr<const TlsContext> tls);
  ~Stream();

  // To connect, to tune, to ask for addresses.
  Tcp::socket& socket() { return socket_; }
  // False for a plain stream, and after a handshake found that the other side speaks no TLS: such a
  // stream is plain from then on, so that the other side can be told so in the clear.
  bool encrypted() const { return engine_ != nullptr; }

  // Makes the connection fit for use: at once, before it returns, where the stream is plain.
  // `server_name` (worker): the name or address that the manager's certificate must have.
  // kFailedPrecondition says in words what is wrong. REQUIRES: connected.
  void handshake(const std::string& server_name, HandshakeHandler handler);

  void read_some(boost::asio::mutable_buffer buffer, IoHandler handler);
  // All of them, gathered. The bytes must live until the handler comes.
  void write(const std::vector<boost::asio::const_buffer>& buffers, IoHandler handler);

  // Our half ends. On TLS too this is the FIN alone: what ends in good order says so in a BYE.
  void shut_down_sending();
  void close();

  // The other side closed its half. (On TLS with the FIN alone, as shut_down_sending() does.)
  static bool is_end(const ErrorCode& error);

  // An error of read_some() or write() in words; `peer`: "the manager", "the worker".
  std::string explain(const ErrorCode& error, std::string_view peer) const;

 private:
  struct Engine;  // TLS

  void begin_tls(const std::string& server_name, HandshakeHandler handler);
  void wait_for_first_byte(HandshakeHandler handler);
  std::string_view peer() const;

  Tcp::socket socket_;
  std::shared_ptr<const TlsContext> tls_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace imgrec::net
