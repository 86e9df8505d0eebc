#include "manager/net/worker_connection.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <spdlog/spdlog.h>

namespace imgrec::manager {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;  // results are small
constexpr std::size_t kMaxGather = 8;          // frames of one write: two buffers each
constexpr std::size_t kMaxOutbox = 8192;       // frames; credit keeps honest workers far below
constexpr std::chrono::seconds kLastWords(2);  // to get REFUSE or BYE out, and read
constexpr int kMaxLingering = 64;              // connections that wait for the peer to read them

std::atomic<int> lingering{0};

// One for all connections: what means nothing need not be made twice.
const proto::Fill& filling() {
  static const proto::Fill fill{std::make_shared<const std::string>(LinkWarmer::kPortion, '\0')};
  return fill;
}

std::string address_of(const asio::ip::tcp::socket& socket) {
  error_code ec;
  const auto peer = socket.remote_endpoint(ec);
  if (ec) return "unknown";
  const std::string host = peer.address().to_string();
  const std::string port = std::to_string(peer.port());
  return peer.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

}  // namespace

WorkerConnection::WorkerConnection(asio::ip::tcp::socket socket, WorkerId worker,
                                   proto::SessionOptions options, net::SocketTuning tuning,
                                   unsigned lanes, Listener& listener,
                                   std::shared_ptr<const net::TlsContext> tls)
    : stream_(std::make_shared<net::Stream>(std::move(socket), std::move(tls))),
      timer_(stream_->socket().get_executor()),
      session_(std::move(options), std::chrono::steady_clock::now()),
      listener_(listener),
      address_(address_of(stream_->socket())),
      worker_(worker),
      read_buffer_(kReadBytes),
      tuner_(tuning),
      lanes_(lanes, std::move(tuning)) {}

// The session's clock runs from here on: a TLS handshake that stalls ends as any other does.
void WorkerConnection::start() {
  tuner_.begin(stream_->socket().native_handle());
  arm_timer();
  stream_->handshake(
      {}, [self = shared_from_this()](const Status& status) { self->on_handshake(status); });
}

void WorkerConnection::on_handshake(const Status& status) {
  if (closed_) return;
  if (status.ok()) {
    open_ = true;
    read();
  } else if (!stream_->encrypted()) {
    open_ = true;
    session_.refuse({proto::RefuseCode::kTls, false, {}, status.message()});
  } else {
    session_.on_disconnect(status.message());
  }
  pump();
}

std::string_view WorkerConnection::host() const {
  return std::string_view(address_).substr(0, address_.rfind(':'));
}

std::optional<net::TcpFigures> WorkerConnection::tcp_figures() {
  if (!stream_->socket().is_open()) return std::nullopt;
  return net::read_tcp_figures(stream_->socket().native_handle());
}

std::optional<net::TcpFigures> WorkerConnection::look_after_tcp() {
  auto figures = tcp_figures();
  if (!figures) return std::nullopt;
  tuner_.follow(stream_->socket().native_handle(), *figures);
  return lanes_.follow(*std::move(figures));
}

std::optional<net::TcpFigures> WorkerConnection::follow(bool may_ask) {
  auto figures = look_after_tcp();
  if (!figures) return std::nullopt;
  const auto now = std::chrono::steady_clock::now();
  if (lanes_.on_time(now)) {
    spdlog::warn(
        "lanes_given_up worker={} address={} hint=\"not all of them came in time; they are "
        "asked for again later\"",
        worker_.value, address_);
  }
  if (may_ask && tuner_.needs_lanes() && session_.can_have_lanes()) {
    if (const auto lanes = lanes_.ask(now)) {
      spdlog::info("lanes_asked_for worker={} address={} count={} congestion_control={}",
                   worker_.value, address_, lanes->count, figures->congestion_control);
      session_.lanes(*lanes);
      pump();
    }
  }
  return figures;
}

void WorkerConnection::add_lane(std::size_t index, std::shared_ptr<net::Stream> lane) {
  if (!lanes_.add(index, std::move(lane))) return;
  spdlog::info("lanes_in_use worker={} address={}", worker_.value, address_);
  spread_due_ = true;
  pump();
}

std::shared_ptr<net::Stream> WorkerConnection::give_away() {
  closed_ = true;
  timer_.cancel();
  return stream_;
}

void WorkerConnection::welcome(const std::string& manager_id) {
  session_.welcome(worker_, manager_id, std::chrono::steady_clock::now());
  // The kernel knows the round trip from connecting, and the first images come before the first
  // PONG.
  if (const auto figures = tcp_figures(); figures && figures->least_rtt) {
    listener_.on_round_trip(*this, *figures->least_rtt, /*guessed=*/true);
  }
  pump();
}

void WorkerConnection::refuse(const proto::Refuse& refuse) {
  session_.refuse(refuse);
  pump();
}

void WorkerConnection::assign(const proto::Assign& assign) {
  if (session_.state() != proto::SessionState::kReady) return;  // its jobs go back when it closes
  session_.assign(assign);
  photo_queued_ = true;
  pump();
}

void WorkerConnection::cancel(const proto::Cancel& cancel) {
  const auto state = session_.state();
  if (state != proto::SessionState::kReady && state != proto::SessionState::kDraining) return;
  session_.cancel(cancel);
  pump();
}

void WorkerConnection::drain(const proto::Drain& drain) {
  session_.send_drain(drain);
  pump();
}

void WorkerConnection::bye(const std::string& reason) {
  if (session_.state() == proto::SessionState::kClosed) return;
  session_.send_bye(reason);
  pump();
}

void WorkerConnection::read() {
  stream_->read_some(asio::buffer(read_buffer_), [self = shared_from_this()](const error_code& ec,
                                                                             std::size_t count) {
    if (self->closed_) return;
    if (ec) {
      self->session_.on_disconnect(self->stream_->explain(ec, "the worker"));
      self->pump();
      return;
    }
    self->session_.feed({self->read_buffer_.data(), count}, std::chrono::steady_clock::now());
    self->pump();
    if (!self->closed_ && self->session_.state() != proto::SessionState::kClosed) self->read();
  });
}

// The listener may call back into this object (assign after a result); its call then only queues,
// and the outer loop picks it up.
void WorkerConnection::pump() {
  if (pumping_ || closed_) return;
  const auto self = shared_from_this();
  pumping_ = true;
  if (const auto rtt = session_.take_measured_rtt()) measured(*rtt);
  for (;;) {
    auto messages = session_.take_messages();
    if (messages.empty()) break;
    for (auto& message : messages) listener_.on_message(*this, std::move(message));
  }
  pumping_ = false;
  if (closed_) return;  // it was a lane, and its stream is another connection's now
  for (auto& frame : session_.take_output()) {
    if (open_) outbox_.push_back(std::move(frame));  // else nobody would understand it
  }
  write();
  if (outbox_.size() > kMaxOutbox) session_.on_disconnect("the worker sends but does not read");
  if (session_.state() == proto::SessionState::kClosed) {
    finish();
  } else {
    arm_timer();
  }
}

void WorkerConnection::measured(std::chrono::microseconds round_trip) {
  const auto figures = tcp_figures();
  if (doubt_.believes(round_trip, figures ? figures->least_rtt : std::nullopt)) {
    listener_.on_round_trip(*this, round_trip, /*guessed=*/false);
  } else {
    session_.ping(std::chrono::steady_clock::now());
  }
}

void WorkerConnection::probe_tail() {
  const auto now = std::chrono::steady_clock::now();
  if (!tail_.next() || now < *tail_.next()) return;
  const auto backlog = net::read_backlog(stream_->socket().native_handle());
  if (!backlog || spread_) return tail_.stop();
  if (tail_.due(*backlog, now)) session_.ping(now);
}

// Images that come meanwhile wait for a portion and for what the kernel has not sent yet: some 200
// KB.
void WorkerConnection::warm() {
  if (warmer_.done() || !session_.can_fill()) return;
  const auto figures = look_after_tcp();
  if (!figures) return;
  const LinkWarmer::Path path{figures->least_rtt.value_or(std::chrono::microseconds(0)),
                              figures->congestion_window_bytes.value_or(0)};
  if (warmer_.next(path, std::chrono::steady_clock::now()) == 0) return;
  session_.fill(filling());
  for (auto& frame : session_.take_output()) outbox_.push_back(std::move(frame));
}

void WorkerConnection::write() {
  if (!writing_.empty()) return;
  if (spread_due_) return spread();
  if (outbox_.empty() && open_) warm();
  while (!outbox_.empty() && writing_.size() < kMaxGather) {
    writing_.push_back(std::move(outbox_.front()));
    outbox_.pop_front();
  }
  send();
}

// SPREAD is the last frame on the connection itself. It overtakes those that wait, which go over
// the lanes.
void WorkerConnection::spread() {
  spread_due_ = false;
  session_.spread();
  writing_ = session_.take_output();
  if (writing_.empty()) return write();  // this session is ending
  send();
  spread_ = true;
}

void WorkerConnection::send() {
  if (writing_.empty()) return;
  std::vector<asio::const_buffer> buffers;
  for (const auto& frame : writing_) {
    buffers.push_back(asio::buffer(frame.head));
    if (frame.body) buffers.push_back(asio::buffer(*frame.body));
  }
  const auto written = [self = shared_from_this()](const error_code& ec, std::size_t) {
    self->writing_.clear();
    if (self->closed_) {
      if (ec) {
        self->close_stream();
      } else if (self->outbox_.empty()) {
        self->end_sending();
      } else {
        self->write();
      }
      return;
    }
    if (ec) self->session_.on_disconnect(self->stream_->explain(ec, "the worker"));
    if (!self->spread_ && self->outbox_.empty() && std::exchange(self->photo_queued_, false)) {
      if (const auto figures = self->tcp_figures()) {
        self->tail_.written(*figures, std::chrono::steady_clock::now());
      }
    }
    self->pump();
  };
  if (spread_) {
    lanes_.sender()->write(buffers, written);
  } else {
    stream_->write(buffers, written);
  }
}

void WorkerConnection::arm_timer() {
  auto deadline = session_.next_deadline();
  if (!deadline) return;
  if (tail_.next()) deadline = std::min(*deadline, *tail_.next());
  if (armed_ == deadline) return;
  armed_ = deadline;
  timer_.expires_at(*deadline);
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (ec || self->closed_) return;
    self->session_.on_tick(std::chrono::steady_clock::now());
    self->probe_tail();
    self->armed_.reset();
    self->pump();
  });
}

// The session is over: tell the listener, let the last frames out, close.
void WorkerConnection::finish() {
  closed_ = true;
  listener_.on_closed(*this, session_.close_reason());
  const bool nothing_said = writing_.empty() && (open_ || !stream_->encrypted());
  if (nothing_said) return close_stream();
  timer_.expires_after(kLastWords);
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec) self->close_stream();
  });
  if (writing_.empty()) end_sending();  // TLS's own alert is out
}

// Closing with bytes of the worker's unread would make the kernel send a reset, which throws our
// REFUSE or BYE away at the other end. So the worker may close first, until finish()'s timer ends.
void WorkerConnection::end_sending() {
  if (lingering >= kMaxLingering) return close_stream();
  ++lingering;
  stream_->shut_down_sending();
  if (spread_) lanes_.sender()->shut_down_sending();
  drop_input();
}

void WorkerConnection::drop_input() {
  stream_->socket().async_read_some(asio::buffer(read_buffer_),
                                    [self = shared_from_this()](error_code ec, std::size_t) {
                                      if (!ec) return self->drop_input();
                                      --lingering;
                                      self->close_stream();
                                    });
}

void WorkerConnection::close_stream() {
  timer_.cancel();
  stream_->close();
  lanes_.close();
}

}  // namespace imgrec::manager
