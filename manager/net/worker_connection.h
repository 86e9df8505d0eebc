// One worker's connection, plain or TLS: the stream, its timer and a proto::ManagerSession.
//
// Thread rule: everything runs on the io_context's one thread; no locks, no strands.
// Owns: the stream and the session. Pending handlers keep it alive; the listener must outlive the
// io_context's run.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "manager/core/link_warmer.h"
#include "manager/net/round_trip_doubt.h"
#include "manager/net/worker_lanes.h"
#include "net/stream.h"
#include "net/tail_probe.h"
#include "net/tcp_figures.h"
#include "net/tcp_tuner.h"
#include "proto/session.h"

namespace imgrec::manager {

class WorkerConnection : public std::enable_shared_from_this<WorkerConnection> {
 public:
  // Called on the io_context's thread. on_closed is the last call, exactly once.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_message(WorkerConnection& connection, proto::Message message) = 0;
    // A PONG came that is to be believed; `rtt` is what it measured. Before the first one,
    // `guessed`: what TCP takes for it, which may be that to a proxy.
    virtual void on_round_trip(WorkerConnection& connection, std::chrono::microseconds rtt,
                               bool guessed) = 0;
    virtual void on_closed(WorkerConnection& connection, const Status& why) = 0;
  };

  // `worker`: this connection's number, never used before. `tls`: null for plain TCP. `lanes`: how
  // many to ask the worker for where its way needs them; 0: never.
  WorkerConnection(boost::asio::ip::tcp::socket socket, WorkerId worker,
                   proto::SessionOptions options, net::SocketTuning tuning, unsigned lanes,
                   Listener& listener, std::shared_ptr<const net::TlsContext> tls = {});

  void start();
  const std::string& address() const { return address_; }  // with its port
  std::string_view host() const;                           // the address alone
  WorkerId worker() const { return worker_; }
  const proto::ManagerSession& session() const { return session_; }
  // What the kernel knows of the connection now, also where TLS is spoken over it; nullopt: it does
  // not say, or the socket is closed.
  std::optional<net::TcpFigures> tcp_figures();

  // What TCP says of the way by now, lanes included; to be called now and then, as it looks after
  // all of them, and asks the worker for lanes where they are needed and `may_ask`. nullopt: as
  // above. The listener may be called.
  std::optional<net::TcpFigures> follow(bool may_ask);

  // Of the lanes that this connection has or waits for; empty: it has none.
  const std::string& lanes_key() const { return lanes_.key(); }
  // REQUIRES: lanes_key() is not empty.
  void add_lane(std::size_t index, std::shared_ptr<net::Stream> lane);
  std::size_t lanes_missing() const { return lanes_.missing(); }
  // Where LANE came: the stream, for the connection that waits for it. This one is closed, without
  // a word to its listener, and must not be used any more.
  std::shared_ptr<net::Stream> give_away();

  void welcome(const std::string& manager_id);
  void refuse(const proto::Refuse& refuse);
  void assign(const proto::Assign& assign);
  void cancel(const proto::Cancel& cancel);
  void drain(const proto::Drain& drain);
  void bye(const std::string& reason);

 private:
  void on_handshake(const Status& status);
  void read();
  void pump();  // after every call into the session: hand over, write, re-arm
  void write();
  void spread();
  void send();  // what is in writing_
  void warm();  // the path, where there is nothing else to send
  void measured(std::chrono::microseconds round_trip);
  void probe_tail();
  std::optional<net::TcpFigures> look_after_tcp();
  void arm_timer();
  void finish();
  void end_sending();
  void drop_input();
  void close_stream();

  std::shared_ptr<net::Stream> stream_;
  boost::asio::steady_timer timer_;
  proto::ManagerSession session_;
  Listener& listener_;
  std::string address_;
  const WorkerId worker_;
  std::vector<char> read_buffer_;
  std::deque<proto::OutgoingFrame> outbox_;  // bounded by the worker's credit: see the scheduler
  std::vector<proto::OutgoingFrame> writing_;
  LinkWarmer warmer_;
  net::TcpTuner tuner_;
  net::TailProbe tail_;
  bool photo_queued_ = false;  // one is among what is to be written
  RoundTripDoubt doubt_;
  WorkerLanes lanes_;
  bool spread_due_ = false;                // all lanes are there, and SPREAD is not sent yet
  bool spread_ = false;                    // it is: all goes over the lanes
  std::optional<proto::TimePoint> armed_;  // what the timer waits for
  bool open_ = false;                      // bytes can go: TLS, where it is spoken, is done
  bool pumping_ = false;
  bool closed_ = false;
};

}  // namespace imgrec::manager
