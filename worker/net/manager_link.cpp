#include "worker/net/manager_link.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <spdlog/spdlog.h>

#include "common/logging.h"

namespace imgrec::worker {
namespace asio = boost::asio;
namespace {

using Clock = std::chrono::steady_clock;
using proto::SessionState;

constexpr std::size_t kMaxGatheredBuffers = 16;  // what Asio hands to one sendmsg
constexpr std::chrono::minutes kRepeatLogEvery{1};
constexpr std::chrono::milliseconds kShortWay{20};
constexpr std::chrono::milliseconds kFittingTimer{60};  // tcp_tuner.h asks for 20 and a round trip
constexpr unsigned kMostRehearsals = 24;
// The kernel sends a SYN or its answer again after a second; timers are not exact. A way that is
// so long by nature costs two connections more.
constexpr std::chrono::milliseconds kSlowStart{900};
constexpr unsigned kMostSlowStarts = 3;  // connections that are tried for a good beginning
constexpr std::chrono::minutes kMaxRetryAfter{5};  // however long a manager asks us to stay away

std::string_view name(proto::RefuseCode code) {
  switch (code) {
    case proto::RefuseCode::kVersion:
      return "version";
    case proto::RefuseCode::kModel:
      return "model";
    case proto::RefuseCode::kBadHello:
      return "bad_hello";
    case proto::RefuseCode::kToken:
      return "token";
    case proto::RefuseCode::kFull:
      return "full";
    case proto::RefuseCode::kShuttingDown:
      return "shutting_down";
    case proto::RefuseCode::kTls:
      return "tls";
  }
  return "unknown";
}

}  // namespace

ManagerLink::ManagerLink(asio::io_context& io, LinkId id, ManagerAddress address,
                         proto::Hello hello, ManagerLinkOptions options,
                         std::function<double()> random, Listener& listener)
    : id_(id),
      address_(std::move(address)),
      hello_(std::move(hello)),
      options_(std::move(options)),
      listener_(listener),
      backoff_(options_.backoff, std::move(random)),
      stream_(std::make_shared<net::Stream>(Tcp::socket(io), nullptr)),
      timer_(io),
      read_buffer_(options_.read_buffer_bytes, '\0') {}

void ManagerLink::start() {
  if (phase_ == Phase::kIdle && !parked_) connect();
}

// ---- connecting -------------------------------------------------------------------------------

void ManagerLink::connect() {
  ++generation_;
  phase_ = Phase::kConnecting;
  connect_began_ = Clock::now();
  phase_deadline_ = connect_began_ + options_.connect_timeout;
  outgoing_ = std::make_shared<std::deque<proto::OutgoingFrame>>();
  stream_ = std::make_shared<net::Stream>(Tcp::socket(timer_.get_executor()), options_.tls);
  ErrorCode no_address;
  const auto host = asio::ip::make_address(endpoint().host, no_address);
  if (no_address) {  // nothing that could be connected to; a name would have been looked up
    return connect_failed("\"" + endpoint().host + "\" is no address");
  }
  const auto port = static_cast<std::uint16_t>(std::stoul(endpoint().port));  // checked when parsed
  stream_->socket().async_connect({host, port},
                                  [self = shared_from_this(), stream = stream_,
                                   generation = generation_](const ErrorCode& failure) {
                                    if (generation == self->generation_)
                                      self->on_connected(failure);
                                  });
  arm_timer();
}

void ManagerLink::on_connected(const ErrorCode& error) {
  if (error) return connect_failed(error.message());
  if (started_slowly() && ++slow_starts_ < kMostSlowStarts) return connect();
  slow_starts_ = 0;
  rehearsals_ = 0;
  tail_ = {};
  answer_queued_ = false;
  tuner_.emplace(options_.tuning);
  tuner_->begin(stream_->socket().native_handle());
  stream_->handshake(options_.tls_server_name.empty() ? address_.name : options_.tls_server_name,
                     [self = shared_from_this(), generation = generation_](const Status& status) {
                       if (generation == self->generation_) self->on_secured(status);
                     });
}

// A segment was lost while connecting, this side's or the manager's. The kernel takes the second
// that this took for the round trip, and would wait three for each answer that gets lost later; a
// worker says too little for it to find out. Where the way really takes a second each connection
// looks so, and the last one is kept.
bool ManagerLink::started_slowly() const {
  if (Clock::now() - connect_began_ >= kSlowStart) return true;
  const auto figures = net::read_tcp_figures(stream_->socket().native_handle());
  return figures && figures->counters && figures->counters->retransmissions > 0;
}

// TCP begins with timers of some 200 ms and more, and comes down to the way's own by a quarter with
// each round trip. A worker says so little that its first results, where they get lost, would wait
// for that: so a PING follows each PONG until the timers fit, on ways where that is soon.
void ManagerLink::follow_the_way() {
  const auto figures = net::read_tcp_figures(stream_->socket().native_handle());
  if (!figures) return;
  tuner_->follow(stream_->socket().native_handle(), *figures);
  if (!figures->resend_after || !figures->least_rtt || *figures->least_rtt > kShortWay) return;
  if (*figures->resend_after > kFittingTimer && rehearsals_ < kMostRehearsals) {
    ++rehearsals_;
    session_->ping(Clock::now());
  }
}

void ManagerLink::probe_tail(TimePoint now) {
  if (!tail_.next() || now < *tail_.next()) return;
  const auto backlog = net::read_backlog(stream_->socket().native_handle());
  if (!backlog) return tail_.stop();
  if (tail_.due(*backlog, now)) session_->ping(now);
}

void ManagerLink::on_secured(const Status& status) {
  if (!status.ok()) return connect_failed(status.message());
  phase_ = Phase::kOpen;
  shut_down_ = false;
  manager_ended_ = false;
  unheard_ = false;
  refusal_.reset();
  session_.emplace(options_.session, hello_, Clock::now());
  session_->set_load(load_);
  read();
  pump();
}

void ManagerLink::connect_failed(const std::string& what) {
  stream_->close();
  if (worth_logging(what)) {
    spdlog::warn("manager_unreachable manager={} error={}", endpoint().text(), log_text(what));
  }
  wait_and_reconnect();
}

// A failure that repeats is logged once a minute.
bool ManagerLink::worth_logging(const std::string& failure) {
  const auto now = Clock::now();
  if (failure == last_failure_ && now - last_failure_logged_ < kRepeatLogEvery) return false;
  last_failure_ = failure;
  last_failure_logged_ = now;
  return true;
}

void ManagerLink::wait_and_reconnect() {
  ++generation_;
  if (stopping_) return finish();
  if (parked_) {
    phase_ = Phase::kIdle;
    timer_.cancel();
    return;
  }
  const auto now = Clock::now();
  std::chrono::milliseconds wait = backoff_.next(now);
  if (refusal_) {
    wait += refusal_->retry ? std::clamp<std::chrono::milliseconds>(refusal_->retry_after,
                                                                    wait.zero(), kMaxRetryAfter)
                            : options_.refused_retry;
    refusal_.reset();
  }
  spdlog::debug("manager_retry manager={} wait_ms={}", endpoint().text(), wait.count());
  phase_ = Phase::kWaiting;
  phase_deadline_ = now + wait;
  arm_timer();
}

// ---- bytes ------------------------------------------------------------------------------------

void ManagerLink::read() {
  stream_->read_some(asio::buffer(read_buffer_),
                     [self = shared_from_this(), generation = generation_](const ErrorCode& error,
                                                                           std::size_t bytes) {
                       if (generation == self->generation_) self->on_read(error, bytes);
                     });
}

void ManagerLink::on_read(const ErrorCode& error, std::size_t bytes) {
  if (phase_ == Phase::kClosing) {  // only the peer's FIN is of interest
    if (error) return end_connection();
    return read();
  }
  if (error) return on_broken(error, net::Stream::is_end(error));
  session_->feed({read_buffer_.data(), bytes}, Clock::now());
  pump();
  if (phase_ == Phase::kOpen || phase_ == Phase::kClosing) read();
}

// A manager that leaves may reset the connection, and what it has not acknowledged on the lanes
// comes all the same, its BYE too. So their end is awaited: it comes soon where the manager is
// gone, and after some silence where its machine is.
void ManagerLink::on_broken(const ErrorCode& error, bool its_half_only) {
  if (lanes_) {
    manager_ended_ = true;
    unheard_ |= !its_half_only;
    write();
    return shut_down_if_flushed();
  }
  session_->on_disconnect(stream_->explain(error, "the manager"));
  pump();
  end_connection();
}

void ManagerLink::write() {
  if (frames_in_write_ != 0) return;
  if (unheard_) {
    outgoing_->clear();
    outgoing_bytes_ = 0;
  }
  if (outgoing_->empty()) return;
  std::vector<asio::const_buffer> buffers;
  for (const proto::OutgoingFrame& frame : *outgoing_) {
    if (buffers.size() + 2 > kMaxGatheredBuffers) break;
    buffers.push_back(asio::buffer(frame.head));
    if (frame.body) buffers.push_back(asio::buffer(*frame.body));
    ++frames_in_write_;
  }
  write_began_ = Clock::now();
  stream_->write(buffers, [self = shared_from_this(), sent_from = outgoing_,
                           generation = generation_](const ErrorCode& error, std::size_t) {
    if (generation == self->generation_) self->on_written(error);
  });
}

void ManagerLink::on_written(const ErrorCode& error) {
  for (; frames_in_write_ > 0; --frames_in_write_) {
    outgoing_bytes_ -= outgoing_->front().size();
    outgoing_->pop_front();
  }
  if (error) return on_broken(error, false);
  if (outgoing_->empty() && std::exchange(answer_queued_, false)) {
    const auto figures = net::read_tcp_figures(stream_->socket().native_handle());
    if (figures) tail_.written(*figures, Clock::now());
  }
  write();
  shut_down_if_flushed();
  arm_timer();
}

// ---- the session ------------------------------------------------------------------------------

void ManagerLink::pump() {
  if (pumping_ || phase_ != Phase::kOpen) return;
  pumping_ = true;
  const auto self = shared_from_this();
  for (auto messages = session_->take_messages(); !messages.empty();
       messages = session_->take_messages()) {
    for (proto::Message& message : messages) handle(std::move(message));
  }
  pumping_ = false;
  if (session_->take_measured_rtt()) follow_the_way();
  collect_output();
  write();
  if (session_->state() == SessionState::kClosed) begin_close();
  arm_timer();
}

void ManagerLink::handle(proto::Message message) {
  if (const auto* welcome = std::get_if<proto::Welcome>(&message)) {
    registered_ = true;
    last_failure_.clear();
    backoff_.registered(Clock::now());
    spdlog::info("worker_registered manager={} id={} model={} classes={}", endpoint().text(),
                 welcome->worker.value, log_text(hello_.model_name), hello_.labels.size());
    listener_.on_registered(id_, *welcome);
    follow_the_way();
  } else if (const auto* refuse = std::get_if<proto::Refuse>(&message)) {
    handle_refusal(*refuse);
  } else if (const auto* lanes = std::get_if<proto::Lanes>(&message)) {
    open_lanes(*lanes);
  } else if (std::holds_alternative<proto::Spread>(message)) {
    receive_over_lanes();
  } else if (const auto* bye = std::get_if<proto::Bye>(&message)) {
    spdlog::info("manager_left manager={} reason={}", endpoint().text(), log_text(bye->reason));
  } else {
    listener_.on_message(id_, std::move(message));
  }
}

// ---- lanes ------------------------------------------------------------------------------------

void ManagerLink::open_lanes(const proto::Lanes& lanes) {
  if (lanes_) return;
  if (dialer_) dialer_->stop();  // those of before did not come in time
  ErrorCode error;
  const auto manager = stream_->socket().remote_endpoint(error);
  if (error) return;  // the connection is ending
  dialer_ = std::make_shared<LaneDialer>(
      timer_.get_executor(),
      LaneDialerOptions{.manager = manager,
                        .tls = options_.tls,
                        .tls_server_name = options_.tls_server_name.empty()
                                               ? address_.name
                                               : options_.tls_server_name,
                        .tuning = options_.tuning},
      lanes);
  dialer_->start();
}

void ManagerLink::receive_over_lanes() {
  if (!dialer_ || !dialer_->complete()) {
    return session_->send_bye("the lanes that SPREAD speaks of are not there");
  }
  auto streams = dialer_->take();
  const std::size_t surplus = streams.size() - dialer_->count();
  lanes_ = std::make_shared<net::LaneReceiver>(std::move(streams), surplus);
  dialer_.reset();
  spdlog::info("lanes_in_use manager={}", endpoint().text());
  lanes_->start(
      [self = shared_from_this(), generation = generation_](std::string_view bytes) {
        if (generation != self->generation_ || self->phase_ != Phase::kOpen) return;
        const auto now = Clock::now();
        self->session_->heard(now);
        self->session_->feed(bytes, now);
        self->pump();
      },
      [self = shared_from_this(), generation = generation_](const Status& why) {
        if (generation == self->generation_) self->on_lanes_ended(why);
      });
}

// Their end comes at the same time as the connection's own; each alone is an end, too.
void ManagerLink::on_lanes_ended(const Status& why) {
  if (phase_ != Phase::kOpen) return;
  session_->on_disconnect(why.ok() ? "the manager closed the connection" : why.message());
  pump();
  end_connection();
}

void ManagerLink::drop_lanes() {
  if (dialer_) dialer_->stop();
  if (lanes_) lanes_->close();
  dialer_.reset();
  lanes_.reset();
}

void ManagerLink::handle_refusal(const proto::Refuse& refuse) {
  refusal_ = refuse;
  if (worth_logging(refuse.reason)) {
    spdlog::log(refuse.retry ? spdlog::level::warn : spdlog::level::err,
                "worker_refused manager={} code={} reason={} retry={} model={} digest={}",
                endpoint().text(), name(refuse.code), log_text(refuse.reason), refuse.retry,
                log_text(hello_.model_name), hello_.model_digest.substr(0, 12));
  }
  listener_.on_refused(id_, refuse);
}

void ManagerLink::collect_output() {
  for (proto::OutgoingFrame& frame : session_->take_output()) {
    outgoing_bytes_ += frame.size();
    outgoing_->push_back(std::move(frame));
  }
  if (outgoing_bytes_ > options_.max_queued_bytes && session_->state() != SessionState::kClosed) {
    session_->on_disconnect("the manager does not read what is sent to it");
  }
}

bool ManagerLink::session_is(SessionState a, SessionState b) const {
  return phase_ == Phase::kOpen && session_ && (session_->state() == a || session_->state() == b);
}

void ManagerLink::send_outcome(const proto::Outcome& outcome) {
  if (!session_is(SessionState::kReady, SessionState::kDraining)) return;
  session_->send_outcome(outcome);
  answer_queued_ = true;
  pump();
}

void ManagerLink::send_fail(const proto::Fail& fail) {
  if (!session_is(SessionState::kReady, SessionState::kDraining)) return;
  session_->send_fail(fail);
  answer_queued_ = true;
  pump();
}

void ManagerLink::send_drain(const proto::Drain& drain) {
  if (!session_is(SessionState::kReady, SessionState::kDraining)) return;
  session_->send_drain(drain);
  pump();
}

void ManagerLink::send_batch(const proto::Batch& batch) {
  if (!session_is(SessionState::kReady, SessionState::kDraining)) return;
  session_->send_batch(batch);
  pump();
}

void ManagerLink::send_bye(std::string reason) {
  if (phase_ != Phase::kOpen || session_->state() == SessionState::kClosed) return;
  session_->send_bye(std::move(reason));
  pump();
}

void ManagerLink::set_load(proto::Load load) {
  load_ = load;
  if (session_) session_->set_load(load);
}

// ---- closing ----------------------------------------------------------------------------------

// The last frames go out, then our FIN; the peer's FIN, or the deadline, ends it. Closing at once
// instead could make the kernel send a reset, which would throw the BYE away at the other end.
void ManagerLink::begin_close() {
  phase_ = Phase::kClosing;
  phase_deadline_ = Clock::now() + options_.close_timeout;
  lose();
  shut_down_if_flushed();
}

void ManagerLink::lose() {
  const Status& why = session_->close_reason();
  if (!registered_) {
    if (!why.ok() && !refusal_ && worth_logging(why.message())) {
      spdlog::warn("manager_handshake_failed manager={} error={}", endpoint().text(),
                   log_text(why.message()));
    }
    return;
  }
  registered_ = false;
  spdlog::log(why.ok() ? spdlog::level::info : spdlog::level::warn,
              "manager_connection_ended manager={} reason={}", endpoint().text(),
              log_text(why.ok() ? "in good order" : why.to_string()));
  listener_.on_lost(id_);
}

void ManagerLink::shut_down_if_flushed() {
  if (phase_ != Phase::kClosing || shut_down_ || !outgoing_->empty()) return;
  shut_down_ = true;
  stream_->shut_down_sending();
  if (manager_ended_) end_connection();
}

void ManagerLink::end_connection() {
  if (phase_ != Phase::kClosing) return;
  stream_->close();
  drop_lanes();
  session_.reset();
  outgoing_bytes_ = 0;
  frames_in_write_ = 0;
  wait_and_reconnect();
}

void ManagerLink::stop() {
  if (stopping_) return;
  stopping_ = true;
  switch (phase_) {
    case Phase::kOpen:
      send_bye("the worker stops");
      break;
    case Phase::kClosing:
    case Phase::kStopped:
      break;
    case Phase::kIdle:
    case Phase::kConnecting:
    case Phase::kWaiting: {
      ++generation_;
      stream_->close();
      finish();
      break;
    }
  }
}

void ManagerLink::park(const std::string& reason) {
  parked_ = true;
  switch (phase_) {
    case Phase::kOpen:
      return send_bye(reason);
    case Phase::kConnecting:
    case Phase::kWaiting:
      ++generation_;
      stream_->close();
      phase_ = Phase::kIdle;
      timer_.cancel();
      return;
    case Phase::kIdle:
    case Phase::kClosing:
    case Phase::kStopped:
      return;
  }
}

void ManagerLink::wake() {
  parked_ = false;
  start();  // one that is closing still comes back by itself
}

void ManagerLink::finish() {
  phase_ = Phase::kStopped;
  timer_.cancel();
  listener_.on_stopped(id_);
}

// ---- time -------------------------------------------------------------------------------------

std::optional<TimePoint> ManagerLink::next_deadline() const {
  switch (phase_) {
    case Phase::kIdle:
    case Phase::kStopped:
      return std::nullopt;
    case Phase::kConnecting:
    case Phase::kClosing:
    case Phase::kWaiting:
      return phase_deadline_;
    case Phase::kOpen:
      break;
  }
  std::optional<TimePoint> next = session_->next_deadline();
  if (frames_in_write_ != 0) {
    const TimePoint stalled = write_began_ + options_.write_timeout;
    next = next ? std::min(*next, stalled) : stalled;
  }
  if (next && tail_.next()) next = std::min(*next, *tail_.next());
  return next;
}

void ManagerLink::arm_timer() {
  const auto deadline = next_deadline();
  if (!deadline) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(*deadline);  // cancels the wait before it
  timer_.async_wait([self = shared_from_this()](const ErrorCode& error) {
    if (!error) self->on_timer();
  });
}

void ManagerLink::on_timer() {
  const auto now = Clock::now();
  const auto deadline = next_deadline();
  if (!deadline) return;
  if (*deadline > now) return arm_timer();
  switch (phase_) {
    case Phase::kConnecting: {
      ++generation_;
      return connect_failed("no answer within " + std::to_string(options_.connect_timeout.count()) +
                            " ms");
    }
    case Phase::kWaiting:
      return connect();
    case Phase::kClosing:
      return end_connection();
    case Phase::kOpen:
      if (frames_in_write_ != 0 && write_began_ + options_.write_timeout <= now) {
        session_->on_disconnect("a write took too long");
      } else {
        session_->on_tick(now);
        probe_tail(now);
      }
      return pump();
    case Phase::kIdle:
    case Phase::kStopped:
      return;
  }
}

}  // namespace imgrec::worker
