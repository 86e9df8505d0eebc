// One browser's WebSocket: text messages out through a bounded queue, short commands in.
//
// Thread rule: everything on the io_context's one thread.
// Owns: the stream and its queue. Pending handlers keep it alive; the listener must outlive the
// io_context's run.
// Overflow rule: send() refuses when the queue is full; the caller re-reads later (EventCursor).
// What is about the same thing (`key`) waits in the queue once, in its newest form.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket.hpp>

namespace imgrec::manager {

class WebSocketSession : public std::enable_shared_from_this<WebSocketSession> {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_open(WebSocketSession& session) = 0;
    virtual void on_text(WebSocketSession& session, std::string_view text) = 0;
    virtual void on_room(WebSocketSession& session) = 0;    // a message has left the queue
    virtual void on_closed(WebSocketSession& session) = 0;  // last call, exactly once
  };

  WebSocketSession(boost::asio::ip::tcp::socket socket, Listener& listener);

  // Answers the upgrade. `raw_head`: the request as received.
  void accept(std::string raw_head);

  // False: the queue is full, or the socket is closing; nothing was taken. With a `key`, what waits
  // under the same one is not sent any more: this text says it all.
  bool send(std::shared_ptr<const std::string> text, std::string_view key = {});
  bool has_room() const;
  // Half of the queue is free: a page of results fits.
  bool idle() const;

  void close(const std::string& reason);

  // Kept until the session ends: whatever is to be released with the socket.
  void hold(std::shared_ptr<const void> what) { held_ = std::move(what); }

 private:
  struct Message {
    std::shared_ptr<const std::string> text;
    std::string key;
  };

  void read();
  void write();
  void finish();
  bool spend_message();

  static constexpr std::size_t kMaxQueue = 256;              // messages
  static constexpr std::size_t kMaxCommandBytes = 4 * 1024;  // pages say little
  // And seldom: so many messages and pings at once, and so many a second on average.
  static constexpr double kMessageBurst = 60;
  static constexpr double kMessagesPerSecond = 10;

  boost::beast::websocket::stream<boost::beast::tcp_stream> stream_;
  Listener& listener_;
  std::string raw_head_;
  boost::beast::flat_buffer read_buffer_;
  std::deque<Message> queue_;  // the front one is being written
  std::shared_ptr<const void> held_;
  double messages_left_ = kMessageBurst;
  std::chrono::steady_clock::time_point counted_;  // when messages_left_ was right
  bool open_ = false;
  bool writing_ = false;
  bool closed_ = false;
};

}  // namespace imgrec::manager
