#include "manager/net/websocket_session.h"

#include <algorithm>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/buffers_to_string.hpp>

namespace imgrec::manager {
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;

WebSocketSession::WebSocketSession(boost::asio::ip::tcp::socket socket, Listener& listener)
    : stream_(std::move(socket)), listener_(listener), counted_(std::chrono::steady_clock::now()) {}

void WebSocketSession::accept(std::string raw_head) {
  raw_head_ = std::move(raw_head);
  error_code ignored;
  beast::get_lowest_layer(stream_).socket().set_option(boost::asio::ip::tcp::no_delay(true),
                                                       ignored);
  // Pings after half the idle time; a peer that answers none is dropped.
  auto timeouts = websocket::stream_base::timeout::suggested(beast::role_type::server);
  timeouts.idle_timeout = std::chrono::seconds(60);
  timeouts.keep_alive_pings = true;
  stream_.set_option(timeouts);
  stream_.read_message_max(kMaxCommandBytes);
  stream_.control_callback([this](websocket::frame_type, beast::string_view) {
    if (spend_message()) return;
    // Not from inside of Beast's own read.
    boost::asio::post(stream_.get_executor(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->close("too many pings");
    });
  });
  stream_.async_accept(boost::asio::buffer(raw_head_), [self = shared_from_this()](error_code ec) {
    if (ec) {
      self->finish();
      return;
    }
    self->open_ = true;
    self->raw_head_.clear();
    self->stream_.text(true);
    self->read();
    self->listener_.on_open(*self);
    self->write();
  });
}

bool WebSocketSession::has_room() const { return !closed_ && queue_.size() < kMaxQueue; }

bool WebSocketSession::idle() const { return !closed_ && queue_.size() < kMaxQueue / 2; }

bool WebSocketSession::send(std::shared_ptr<const std::string> text, std::string_view key) {
  if (closed_) return false;
  if (!key.empty() && !queue_.empty()) {
    const auto unsent = queue_.begin() + (writing_ ? 1 : 0);
    queue_.erase(std::remove_if(unsent, queue_.end(),
                                [key](const Message& message) { return message.key == key; }),
                 queue_.end());
  }
  if (!has_room()) return false;
  queue_.push_back({std::move(text), std::string(key)});
  write();
  return true;
}

void WebSocketSession::write() {
  if (!open_ || closed_ || writing_ || queue_.empty()) return;
  writing_ = true;  // Beast takes one write at a time
  stream_.async_write(boost::asio::buffer(*queue_.front().text),
                      [self = shared_from_this()](error_code ec, std::size_t) {
                        self->writing_ = false;
                        if (self->closed_) return;
                        if (ec) {
                          self->finish();
                          return;
                        }
                        self->queue_.pop_front();
                        self->write();
                        self->listener_.on_room(*self);
                      });
}

// A read is always outstanding: Beast notices pongs, closes and dead peers only while reading.
void WebSocketSession::read() {
  stream_.async_read(read_buffer_, [self = shared_from_this()](error_code ec, std::size_t) {
    if (self->closed_) return;
    if (ec) {
      self->finish();
      return;
    }
    if (!self->spend_message()) return self->close("too many messages");
    const std::string text = beast::buffers_to_string(self->read_buffer_.data());
    self->read_buffer_.consume(self->read_buffer_.size());
    self->listener_.on_text(*self, text);
    if (!self->closed_) self->read();
  });
}

// False: more came than a page has reason to say.
bool WebSocketSession::spend_message() {
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - std::exchange(counted_, now)).count();
  messages_left_ = std::min(kMessageBurst, messages_left_ + seconds * kMessagesPerSecond);
  if (messages_left_ < 1) return false;
  messages_left_ -= 1;
  return true;
}

void WebSocketSession::close(const std::string& reason) {
  if (closed_) return;
  if (!open_) {
    finish();
    return;
  }
  // Beast allows a close beside a pending write; what is queued behind it is not sent any more.
  const auto self = shared_from_this();
  closed_ = true;
  stream_.async_close(websocket::close_reason(websocket::close_code::going_away, reason),
                      [self](error_code) {});
  listener_.on_closed(*this);
}

void WebSocketSession::finish() {
  if (closed_) return;
  closed_ = true;
  const auto self = shared_from_this();
  beast::get_lowest_layer(stream_).close();
  listener_.on_closed(*this);
}

}  // namespace imgrec::manager
