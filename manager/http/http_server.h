// The public port: Pistache parses HTTP behind an input guard; WebSocket upgrades and large
// responses leave it for Asio by descriptor. docs/decisions says why.
//
// Thread rule: start and stop from one thread; the handlers run on Pistache's reactor threads and
// must not block.
// Owns: the Pistache endpoint and its threads. Borrows the io_context, which must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "manager/http/http_message.h"
#include "manager/http/quota.h"
#include "proto/status.h"

namespace imgrec::manager {

struct HttpServerOptions {
  std::string listen_address = "127.0.0.1";
  std::uint16_t port = 8080;  // 0: the system chooses
  unsigned threads = 2;
  std::size_t max_header_bytes = 16 * 1024;
  std::size_t max_body_bytes = 64ull << 20;
  std::size_t max_connections = 4096;
  // Of one address, WebSockets and answers under way included; 0: no limit (behind a proxy all come
  // from one address).
  std::size_t max_connections_per_address = 1024;
  std::size_t max_buffered_bytes = 1ull << 30;  // bodies of all requests together, until answered
  std::size_t max_unsent_bytes = 512ull << 20;  // large answers that their readers have not taken
  std::vector<std::string> allowed_hosts = {};  // names in Host that are served; none: every name
  std::chrono::seconds idle_timeout{60};        // between bytes, while a request is incomplete
  std::size_t handover_bytes = 100 * 1024;      // responses over this are sent by Asio
};

// A WebSocket upgrade: the socket belongs to Asio now; `raw_head` is the request as received.
struct UpgradeRequest {
  boost::asio::ip::tcp::socket socket;
  HttpRequest request;
  std::string raw_head;
  Place place = {};  // of its address; hold it as long as the socket is open
};

class HttpServer {
 public:
  using UpgradeHandler = std::function<void(UpgradeRequest)>;  // runs on the io_context

  // Handlers may be called as soon as start() is.
  HttpServer(boost::asio::io_context& io, HttpServerOptions options, HttpHandler handler,
             UpgradeHandler upgrade);
  ~HttpServer();

  // kUnavailable where the port is in use or may not be bound; the text names address and port.
  Status start();
  std::uint16_t port() const;  // REQUIRES: started

  // Stops accepting, waits up to `grace` for requests in progress, closes.
  void stop(std::chrono::milliseconds grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imgrec::manager
