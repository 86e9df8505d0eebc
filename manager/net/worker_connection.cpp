#include "manager/net/worker_connection.h"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "manager/net/socket_tuning.h"

namespace imgrec::manager {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;     // results are small
constexpr std::size_t kWriteChunk = 1024 * 1024;  // per system call; Asio's own is 64 KiB
constexpr std::size_t kMaxGather = 8;             // frames of one write: two buffers each
constexpr std::size_t kMaxOutbox = 8192;          // frames; credit keeps honest workers far below
constexpr std::chrono::seconds kLastWords(2);     // to get REFUSE or BYE out

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
                                   proto::SessionOptions options, Listener& listener)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      session_(options, std::chrono::steady_clock::now()),
      listener_(listener),
      address_(address_of(socket_)),
      worker_(worker),
      read_buffer_(kReadBytes) {}

void WorkerConnection::start() {
  tune_worker_socket(socket_.native_handle());
  read();
  pump();
}

int WorkerConnection::native_handle() { return socket_.is_open() ? socket_.native_handle() : -1; }

void WorkerConnection::welcome(const std::string& manager_id) {
  session_.welcome(worker_, manager_id, std::chrono::steady_clock::now());
  pump();
}

void WorkerConnection::refuse(const proto::Refuse& refuse) {
  session_.refuse(refuse);
  pump();
}

void WorkerConnection::assign(const proto::Assign& assign) {
  if (session_.state() != proto::SessionState::kReady) return;  // its jobs go back when it closes
  session_.assign(assign);
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
  socket_.async_read_some(
      asio::buffer(read_buffer_), [self = shared_from_this()](error_code ec, std::size_t count) {
        if (self->closed_) return;
        if (ec) {
          self->session_.on_disconnect(ec == asio::error::eof ? "the worker closed the connection"
                                                              : ec.message());
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
  for (;;) {
    auto messages = session_.take_messages();
    if (messages.empty()) break;
    for (auto& message : messages) listener_.on_message(*this, std::move(message));
  }
  pumping_ = false;
  for (auto& frame : session_.take_output()) outbox_.push_back(std::move(frame));
  write();
  if (outbox_.size() > kMaxOutbox) session_.on_disconnect("the worker sends but does not read");
  if (session_.state() == proto::SessionState::kClosed) {
    finish();
  } else {
    arm_timer();
  }
}

void WorkerConnection::write() {
  if (!writing_.empty() || outbox_.empty()) return;
  std::vector<asio::const_buffer> buffers;
  while (!outbox_.empty() && writing_.size() < kMaxGather) {
    writing_.push_back(std::move(outbox_.front()));
    outbox_.pop_front();
  }
  for (const auto& frame : writing_) {
    buffers.push_back(asio::buffer(frame.head));
    if (frame.body) buffers.push_back(asio::buffer(*frame.body));
  }
  const auto chunk = [](const error_code& ec, std::size_t) -> std::size_t {
    return ec ? 0 : kWriteChunk;
  };
  asio::async_write(socket_, buffers, chunk,
                    [self = shared_from_this()](error_code ec, std::size_t) {
                      self->writing_.clear();
                      if (self->closed_) {
                        if (ec || self->outbox_.empty()) {
                          self->close_socket();
                        } else {
                          self->write();
                        }
                        return;
                      }
                      if (ec) self->session_.on_disconnect(ec.message());
                      self->pump();
                    });
}

void WorkerConnection::arm_timer() {
  const auto deadline = session_.next_deadline();
  if (!deadline) return;
  if (armed_ == deadline) return;
  armed_ = deadline;
  timer_.expires_at(*deadline);
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (ec || self->closed_) return;
    self->session_.on_tick(std::chrono::steady_clock::now());
    self->armed_.reset();
    self->pump();
  });
}

// The session is over: tell the listener, let the last frames out, close.
void WorkerConnection::finish() {
  closed_ = true;
  listener_.on_closed(*this, session_.close_reason());
  if (writing_.empty()) {
    close_socket();
    return;
  }
  timer_.expires_after(kLastWords);
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec) self->close_socket();
  });
}

void WorkerConnection::close_socket() {
  error_code ignored;
  timer_.cancel();
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

}  // namespace imgrec::manager
