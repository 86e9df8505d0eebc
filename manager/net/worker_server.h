// The worker port: accepts connections, lets WorkerRegistry judge each HELLO, and turns what
// registered workers say into calls on one observer.
//
// Thread rule: everything on the io_context's one thread, except start(), which may run before it.
// Owns: the acceptor, the registry. Connections are held until they report closed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/logging.h"
#include "manager/core/worker_registry.h"
#include "manager/net/worker_connection.h"
#include "net/tls_context.h"
#include "proto/status.h"

namespace imgrec::manager {

struct WorkerServerOptions {
  std::string listen_address = "127.0.0.1";
  std::uint16_t port = 2888;  // 0: the system chooses
  std::size_t max_workers = 4096;
  // Connections that are not registered yet, and of those the ones from one address. Each holds at
  // most a HELLO (4 MiB); with a join token, before it is proven, 4 KiB.
  std::size_t max_handshakes = 64;
  std::size_t max_handshakes_per_address = 32;
  std::string manager_id;
  proto::SessionOptions session;
  std::shared_ptr<const net::TlsContext> tls;  // null: plain TCP
};

class WorkerServer : private WorkerConnection::Listener {
 public:
  // Workers appear here once welcomed, and leave exactly once.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void on_worker_joined(const RegisteredWorker& worker, const proto::Hello& hello) = 0;
    virtual void on_worker_draining(WorkerId worker) = 0;
    virtual void on_worker_left(WorkerId worker) = 0;
    virtual void on_outcome(WorkerId worker, const proto::Outcome& outcome) = 0;
    virtual void on_fail(WorkerId worker, const proto::Fail& fail) = 0;
  };

  WorkerServer(boost::asio::io_context& io, WorkerServerOptions options, Observer& observer);

  // kUnavailable where the port is in use; the text names it and the flag to change it.
  Status start();
  std::uint16_t port() const;  // REQUIRES: started

  // False where the worker has gone; the caller will hear on_worker_left, or has.
  bool assign(WorkerId worker, const proto::Assign& assign);
  void cancel(WorkerId worker, const proto::Cancel& cancel);

  WorkerRegistry& registry() { return registry_; }
  const WorkerRegistry& registry() const { return registry_; }
  // Smoothed round trip as measured by PING; nullopt before the first PONG.
  std::optional<std::chrono::microseconds> rtt(WorkerId worker) const;

  // Takes no new worker; those that come are refused (kShuttingDown, retry).
  void begin_shutdown();
  // Says BYE to every worker and closes.
  void close_all(const std::string& reason);

 private:
  void on_message(WorkerConnection& connection, proto::Message message) override;
  void on_closed(WorkerConnection& connection, const Status& why) override;
  void on_hello(WorkerConnection& connection, const proto::Hello& hello);
  bool has_room_for(const WorkerConnection& connection) const;
  void accept();
  void accept_later();

  boost::asio::io_context& io_;
  WorkerServerOptions options_;
  Observer& observer_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_timer_;
  WorkerRegistry registry_;
  std::set<std::shared_ptr<WorkerConnection>> handshaking_;
  std::map<WorkerId, std::shared_ptr<WorkerConnection>> registered_;
  LogLimiter rejections_;
  LogLimiter overflows_;
  bool shutting_down_ = false;
};

}  // namespace imgrec::manager
