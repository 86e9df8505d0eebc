// The operations port: /healthz, /readyz and /metrics over plain HTTP, for probes and scrapers,
// away from what the public reaches. Both programs have it.
//
// It answers GET and HEAD of these three and closes; a request's body is never read. Everything is
// bounded: connections at once (beyond them the oldest is closed, so that clients that say nothing
// never keep a probe out), the head, and a connection's whole life.
//
// Thread rule: everything on the io_context's one thread, except start(), which may run before it.
// The handlers are called on that thread, and must not block.
// Owns: the acceptor and the handlers. Connections hold themselves, and are closed with the server.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/options.h"
#include "proto/status.h"

namespace imgrec::net {

struct OpsHandlers {
  // May whoever asks be sent work? The sentence is for people: "ready", or what is missing.
  struct Readiness {
    bool ready = false;
    std::string sentence;
  };
  std::function<Readiness()> readiness;
  std::function<std::string()> metrics;  // Prometheus's text format, 0.0.4
};

struct OpsServerOptions {
  std::string listen;  // ADDR:PORT
  std::size_t max_connections = 64;
  std::size_t max_head_bytes = 8 * 1024;
  std::chrono::milliseconds max_life{10'000};  // of a connection, from accept to close
};

class OpsServer {
 public:
  OpsServer(boost::asio::io_context& io, OpsServerOptions options, OpsHandlers handlers);
  ~OpsServer();
  OpsServer(const OpsServer&) = delete;
  OpsServer& operator=(const OpsServer&) = delete;

  // kInvalidArgument where the address is none; kUnavailable where the port cannot be had: the text
  // names it and the flag to change it.
  Status start();
  boost::asio::ip::tcp::endpoint endpoint() const;  // REQUIRES: started

  std::size_t connections() const { return connections_.size(); }

 private:
  class Connection;
  using Connections = std::list<std::shared_ptr<Connection>>;

  void accept();
  void accept_later();
  void remove(Connection& connection);
  // What is answered, head and body.
  std::string answer(std::string_view method, std::string_view target) const;

  boost::asio::io_context& io_;
  const OpsServerOptions options_;
  const OpsHandlers handlers_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_timer_;
  Connections connections_;  // oldest first
};

// The option both programs have: ops.listen, --ops-listen, IMGREC_OPS_LISTEN. Empty: no such port.
Option ops_listen_option(std::string& target);

}  // namespace imgrec::net
