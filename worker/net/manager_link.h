// One connection to one manager, at an address: connect, register, exchange frames, and come back
// after a loss, with jittered exponential back-off.
//
// Thread rule: confined to the io_context's one thread, all of it.
// Owns: its stream, session, timer and outgoing frames. Borrows the listener, which must outlive
// it. Held by shared_ptr; pending handlers hold it too.
//
// One write is in flight at a time, gathered from up to 16 buffers. More than max_queued_bytes
// waiting means that the manager does not read: the connection is given up.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/lane_receiver.h"
#include "net/stream.h"
#include "net/tail_probe.h"
#include "net/tcp_tuner.h"
#include "proto/messages.h"
#include "proto/session.h"
#include "proto/status.h"
#include "worker/core/manager_directory.h"
#include "worker/core/worker_core.h"
#include "worker/net/backoff.h"
#include "worker/net/lane_dialer.h"

namespace imgrec::worker {

struct ManagerLinkOptions {
  proto::SessionOptions session;
  std::shared_ptr<const net::TlsContext> tls;  // null: plain TCP
  std::string tls_server_name;  // that the manager's certificate has; empty: the configured host
  net::SocketTuning tuning;
  BackoffOptions backoff;
  std::chrono::milliseconds connect_timeout{5'000};  // connection and TLS together
  std::chrono::milliseconds write_timeout{20'000};   // one gathered write
  std::chrono::milliseconds close_timeout{1'000};    // for the last frames and the peer's FIN
  std::chrono::milliseconds refused_retry{30'000};   // after a REFUSE that says not to try again
  std::size_t read_buffer_bytes = 256 * 1024;
  std::size_t max_queued_bytes = 4u << 20;
};

class ManagerLink : public std::enable_shared_from_this<ManagerLink> {
 public:
  // What the link tells its owner. It may be called from inside the link's own functions.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_registered(LinkId link, const proto::Welcome& welcome) = 0;
    virtual void on_message(LinkId link, proto::Message message) = 0;  // ASSIGN, CANCEL, DRAIN
    virtual void on_lost(LinkId link) = 0;  // once for each on_registered
    virtual void on_refused(LinkId link, const proto::Refuse& refuse) = 0;
    virtual void on_stopped(LinkId link) = 0;  // after stop(), when the last frame is out
  };

  // random: uniform in [0, 1), for the back-off.
  ManagerLink(boost::asio::io_context& io, LinkId id, ManagerAddress address, proto::Hello hello,
              ManagerLinkOptions options, std::function<double()> random, Listener& listener);

  void start();

  // Dropped where the link is not registered.
  void send_outcome(const proto::Outcome& outcome);
  void send_fail(const proto::Fail& fail);
  void send_drain(const proto::Drain& drain);
  void send_batch(const proto::Batch& batch);
  // Closes in good order; connects again later, unless stop() was or is called.
  void send_bye(std::string reason);
  void set_load(proto::Load load);

  // Ends the connection, in good order, and connects no more until wake(): another link leads to
  // the same manager.
  void park(const std::string& reason);
  void wake();

  // Connects no more; an open connection gets a BYE (where it has none yet), is flushed and closed,
  // within close_timeout.
  void stop();

  bool registered() const { return registered_; }
  bool stopped() const { return phase_ == Phase::kStopped; }
  bool parked() const { return parked_; }
  const ManagerEndpoint& endpoint() const { return address_.endpoint; }

 private:
  // kIdle -> kConnecting -> kOpen -> kClosing -> kWaiting -> kConnecting …; kConnecting -> kWaiting
  // where there is no connection; any -> kStopped. A link that is parked stays in kIdle.
  enum class Phase { kIdle, kConnecting, kOpen, kClosing, kWaiting, kStopped };
  using Tcp = boost::asio::ip::tcp;
  using ErrorCode = boost::system::error_code;

  void connect();
  void on_connected(const ErrorCode& error);
  bool started_slowly() const;
  void follow_the_way();
  void probe_tail(TimePoint now);
  void on_secured(const Status& status);
  void connect_failed(const std::string& what);
  bool worth_logging(const std::string& failure);
  void read();
  void on_read(const ErrorCode& error, std::size_t bytes);
  void on_broken(const ErrorCode& error, bool its_half_only);
  void write();
  void on_written(const ErrorCode& error);
  void pump();  // after every call of the session
  void handle(proto::Message message);
  void open_lanes(const proto::Lanes& lanes);
  void receive_over_lanes();
  void on_lanes_ended(const Status& why);
  void drop_lanes();
  void handle_refusal(const proto::Refuse& refuse);
  void collect_output();
  void begin_close();
  void shut_down_if_flushed();
  void end_connection();
  void lose();
  void wait_and_reconnect();
  void finish();
  void arm_timer();
  void on_timer();
  std::optional<TimePoint> next_deadline() const;
  bool session_is(proto::SessionState a, proto::SessionState b) const;

  const LinkId id_;
  const ManagerAddress address_;
  const proto::Hello hello_;
  const ManagerLinkOptions options_;
  Listener& listener_;
  Backoff backoff_;
  std::shared_ptr<net::Stream> stream_;       // one for each connection
  std::optional<net::TcpTuner> tuner_;        // likewise
  std::shared_ptr<LaneDialer> dialer_;        // lanes that are asked for, until they are in use
  std::shared_ptr<net::LaneReceiver> lanes_;  // in use
  unsigned slow_starts_ = 0;                  // in a row
  unsigned rehearsals_ = 0;                   // of this connection
  net::TailProbe tail_;                       // likewise
  bool answer_queued_ = false;                // a result or failure is among what is to be written
  boost::asio::steady_timer timer_;
  Phase phase_ = Phase::kIdle;
  std::uint64_t generation_ = 0;  // of the connection; handlers of an older one return quietly
  TimePoint connect_began_;       // valid while kConnecting
  TimePoint phase_deadline_;      // kConnecting, kClosing, kWaiting: when it ends
  std::optional<proto::WorkerSession> session_;
  proto::Load load_;
  std::string read_buffer_;
  // Of this connection; a write under way holds it too, because TLS may look at its bytes again
  // after the connection was given up.
  std::shared_ptr<std::deque<proto::OutgoingFrame>> outgoing_;
  std::size_t outgoing_bytes_ = 0;
  std::size_t frames_in_write_ = 0;  // at the front of it; 0: no write in flight
  TimePoint write_began_;
  bool registered_ = false;
  bool pumping_ = false;
  bool shut_down_ = false;      // our half is closed
  bool manager_ended_ = false;  // its half of the connection itself; the lanes may go on
  bool unheard_ = false;        // and ours: what is to be sent is dropped
  bool stopping_ = false;
  bool parked_ = false;
  std::optional<proto::Refuse> refusal_;  // of this connection
  std::string last_failure_;              // text of the last failure logged, against repetition
  TimePoint last_failure_logged_;
};

}  // namespace imgrec::worker
