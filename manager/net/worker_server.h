// The worker port: accepts connections, numbers them, and carries messages between them and one
// listener. It decides nothing: who is welcome and who gets what is the core's business.
//
// Thread rule: everything on the io_context's one thread, except start(), which may run before it.
// Owns: the acceptor. Connections are held until they report closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/logging.h"
#include "manager/net/link_ledger.h"
#include "manager/net/worker_connection.h"
#include "net/tcp_tuner.h"
#include "net/tls_context.h"
#include "proto/ids.h"
#include "proto/messages.h"
#include "proto/status.h"

namespace imgrec::manager {

struct WorkerServerOptions {
  std::string listen_address = "127.0.0.1";
  std::uint16_t port = 2888;  // 0: the system chooses
  // Connections that are not welcomed yet, and of those the ones from one address. Each holds at
  // most a HELLO (4 MiB); with a join token, before it is proven, 4 KiB.
  std::size_t max_handshakes = 64;
  std::size_t max_handshakes_per_address = 32;
  std::string manager_id;
  net::SocketTuning tuning;
  // More connections to ask a worker for where packets are lost and there is no BBR; 0: none.
  unsigned lanes = 12;
  proto::SessionOptions session;
  std::shared_ptr<const net::TlsContext> tls;  // null: plain TCP
};

class WorkerServer : private WorkerConnection::Listener {
 public:
  // A worker begins with on_hello, and ends with on_worker_left, exactly once.
  class Listener {
   public:
    virtual ~Listener() = default;
    // To be answered with welcome() or refuse(), here or later.
    virtual void on_hello(WorkerId worker, const std::string& address, proto::Hello hello) = 0;
    virtual void on_message(WorkerId worker, proto::Message message) = 0;  // RESULT FAIL DRAIN BYE
    // A PONG came that is to be believed; `rtt` is what it measured, waiting behind photos
    // included.
    virtual void on_round_trip(WorkerId worker, std::chrono::microseconds rtt, bool guessed) = 0;
    virtual void on_worker_left(WorkerId worker, const Status& why) = 0;  // OK: in good order
  };

  WorkerServer(boost::asio::io_context& io, WorkerServerOptions options, Listener& listener);

  // kUnavailable where the port is in use; the text names it and the flag to change it.
  Status start();
  std::uint16_t port() const;  // REQUIRES: started

  // Each does nothing where the worker has gone: on_worker_left says so, or has.
  void welcome(WorkerId worker);
  void refuse(WorkerId worker, const proto::Refuse& refuse);
  void assign(WorkerId worker, const proto::Assign& assign);
  void cancel(WorkerId worker, const proto::Cancel& cancel);
  void drain(WorkerId worker, const proto::Drain& drain);
  void bye(WorkerId worker, const std::string& reason);

  // Smoothed round trip as measured by PING; nullopt before the first PONG.
  std::optional<std::chrono::microseconds> rtt(WorkerId worker) const;

  // Asks the kernel about every worker's connection, a few system calls each, and takes a point for
  // their rates: for once a second.
  void sample_links(LinkLedger::TimePoint now);
  // Asks as well, for somebody who wants to know what has been carried up to now. How often it does
  // so is bounded: with many workers it leaves things at the last time's.
  void refresh_links(LinkLedger::TimePoint now);
  // As of the last of either; connections that ended are read as they end.
  const LinkLedger& links() const { return links_; }

  // Accepts nothing more; connections that were never welcomed are closed.
  void stop_accepting(const std::string& reason);

 private:
  using Connections = std::map<WorkerId, std::shared_ptr<WorkerConnection>>;

  void on_message(WorkerConnection& connection, proto::Message message) override;
  void on_round_trip(WorkerConnection& connection, std::chrono::microseconds rtt,
                     bool guessed) override;
  void on_closed(WorkerConnection& connection, const Status& why) override;
  void read_links(LinkLedger::TimePoint now);
  void read_link(WorkerConnection& connection, bool may_ask, LinkLedger::TimePoint now);
  void take_lane(WorkerConnection& connection, const proto::Lane& lane);
  bool has_room_for(const WorkerConnection& connection) const;
  void accept();
  void accept_later();
  // The connection, kept alive for the call that is to follow; null where it has gone.
  std::shared_ptr<WorkerConnection> find(WorkerId worker) const;

  boost::asio::io_context& io_;
  WorkerServerOptions options_;
  Listener& listener_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_timer_;
  std::uint64_t last_number_ = 0;
  Connections connections_;
  std::set<WorkerId> handshaking_;  // of these, the ones that are not welcomed yet
  std::set<WorkerId> introduced_;   // those that the listener knows
  LinkLedger links_;                // of the introduced
  LinkLedger::TimePoint links_read_{};
  std::size_t sockets_ = 0;  // that were read then
  LogLimiter rejections_;
  LogLimiter overflows_;
};

}  // namespace imgrec::manager
