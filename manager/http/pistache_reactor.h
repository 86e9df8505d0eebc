// The Pistache side of the public port: one transport and one handler for each reactor thread.
// Included by pistache_*.cpp only.
//
// How the work is divided, and why (docs/decisions): Pistache listens, accepts, polls, reads,
// parses the request line and writes ordinary responses. InputGuard vets and frames every byte
// first. Whatever Pistache's writer cannot say (HEAD, a header twice) is written here; whatever a
// reactor thread would have to wait for goes to Asio.
//
// Thread rule: a PistacheHandler and its connections belong to one reactor thread. Answers from
// other threads come through its mailbox. PortState is shared. Owns: the handler its connections;
// the transport its timer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <pistache/http.h>
#include <pistache/listener.h>
#include <pistache/peer.h>
#include <pistache/transport.h>

#include "common/unique_fd.h"
#include "manager/http/host_policy.h"
#include "manager/http/http_server.h"
#include "manager/http/input_guard.h"
#include "manager/http/quota.h"
#include "manager/http/reactor_mailbox.h"

namespace imgrec::manager {

// What all reactor threads share.
struct PortState {
  PortState(boost::asio::io_context& io_context, HttpServerOptions opts, HttpHandler on_request,
            HttpServer::UpgradeHandler on_upgrade)
      : io(io_context),
        options(std::move(opts)),
        handler(std::move(on_request)),
        upgrade(std::move(on_upgrade)),
        hosts(options.allowed_hosts),
        addresses(std::make_shared<AddressQuota>(options.max_connections_per_address)),
        bodies(options.max_buffered_bytes),
        unsent(std::make_shared<ByteBudget>(options.max_unsent_bytes)) {}

  boost::asio::io_context& io;
  const HttpServerOptions options;
  const HttpHandler handler;
  const HttpServer::UpgradeHandler upgrade;
  const HostPolicy hosts;
  const std::shared_ptr<AddressQuota> addresses;
  ByteBudget bodies;                         // of requests
  const std::shared_ptr<ByteBudget> unsent;  // of answers that Asio sends
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> exchanges{0};  // requests without a complete answer
  std::atomic<bool> stopping{false};
};

class PistacheHandler final : public Pistache::Http::Handler {
 public:
  HTTP_PROTOTYPE(PistacheHandler)

  explicit PistacheHandler(std::shared_ptr<PortState> port);
  PistacheHandler(const PistacheHandler& other);  // a clone is for another thread: no connections

  const std::shared_ptr<ReactorMailbox>& mailbox() const { return mailbox_; }

  // Lets the guards of all connections see the time.
  void sweep();
  // Closes connections without a request in progress (kIdle), or all of them.
  enum class Which { kIdle, kAll };
  void close(Which which);

  struct Connection;
  // The answer to the request number `serial` of that connection.
  void answer(const std::shared_ptr<Connection>& connection, std::uint64_t serial,
              HttpResponse response);

 private:
  void onConnection(const std::shared_ptr<Pistache::Tcp::Peer>& peer) override;
  void onDisconnection(const std::shared_ptr<Pistache::Tcp::Peer>& peer) override;
  void onInput(const char* bytes, std::size_t count,
               const std::shared_ptr<Pistache::Tcp::Peer>& peer) override;
  void onRequest(const Pistache::Http::Request& request,
                 Pistache::Http::ResponseWriter writer) override;

  std::shared_ptr<Connection> find(int fd) const;
  void read_body(const std::shared_ptr<Connection>& connection);
  void pump(const std::shared_ptr<Connection>& connection);
  void begin_exchange(Connection& connection);
  void finish_exchange(Connection& connection);
  void send(Connection& connection, HttpResponse response, bool keep_alive, bool without_body);
  void send_by_pistache(Connection& connection, const HttpResponse& response, bool keep_alive);
  void send_here(Connection& connection, std::string head,
                 const std::shared_ptr<const std::string>& body);
  void refuse(Connection& connection, const Refusal& refusal);
  void upgrade(Connection& connection);
  UniqueFd detach(Connection& connection);

  std::shared_ptr<PortState> port_;
  std::shared_ptr<ReactorMailbox> mailbox_;
  std::unordered_map<int, std::shared_ptr<Connection>> connections_;  // by descriptor
  std::uint64_t last_serial_ = 0;
  std::vector<char> piece_;  // of a body, as read
};

// Adds a mailbox and a clock to Pistache's transport.
class PistacheTransport final : public Pistache::Tcp::Transport {
 public:
  using Registry = std::vector<std::shared_ptr<PistacheHandler>>;  // one for each thread

  PistacheTransport(std::shared_ptr<PistacheHandler> handler, std::shared_ptr<Registry> registry);

  void registerPoller(Pistache::Polling::Epoll& poller) override;
  void onReady(const Pistache::Aio::FdSet& fds) override;
  std::shared_ptr<Pistache::Aio::Handler> clone() const override;

 private:
  std::shared_ptr<PistacheHandler> handler_;
  std::shared_ptr<Registry> registry_;  // filled by clone(), while the listener binds
  UniqueFd timer_;
};

}  // namespace imgrec::manager
