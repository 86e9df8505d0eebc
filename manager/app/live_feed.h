// The live results: every open page's socket, what it has seen, and what it gets next.
//
// Thread rule: the io_context's one thread, except open(), which posts.
// Owns: one entry per socket. Borrows storage and control, which outlive it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "manager/app/control.h"
#include "manager/app/json.h"
#include "manager/core/event_cursor.h"
#include "manager/core/state_hints.h"
#include "manager/http/http_server.h"
#include "manager/net/websocket_session.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

class LiveFeed : public Control::ImageObserver, private WebSocketSession::Listener {
 public:
  static constexpr std::size_t kMaxSockets = 10'000;

  static constexpr std::chrono::milliseconds kStateLasts{250};  // see StateHints

  LiveFeed(boost::asio::io_context& io, Storage& storage, Control& control,
           std::chrono::milliseconds state_lasts = kStateLasts);

  // Takes over an upgraded socket. REQUIRES: origin and session were checked.
  // `after`: replay results numbered above it; nullopt: only what comes from now on.
  void open(UpgradeRequest upgrade, SessionId session, std::optional<std::uint64_t> after);

  std::size_t sockets() const { return clients_.size(); }
  void close_all(const std::string& reason);

  void on_state(const ImageRecord& image) override;
  void on_settled(const ImageRecord& image) override;
  void on_deleted(const ImageRecord& image) override;
  void on_second() override;

 private:
  struct Client {
    std::shared_ptr<WebSocketSession> socket;
    SessionId session;
    EventCursor cursor;
    bool greeted = false;  // hello is the first message; nothing goes before it
    bool wants_cluster = false;
  };
  using Clients = std::map<WebSocketSession*, Client>;

  void on_open(WebSocketSession& socket) override;
  void on_text(WebSocketSession& socket, std::string_view text) override;
  void on_room(WebSocketSession& socket) override;
  void on_closed(WebSocketSession& socket) override;

  using Room = bool (WebSocketSession::*)() const;  // what a socket must have for a hint
  void hint_session(const SessionId& session, const ImageId& image, const SharedText& text,
                    Room room);
  void tell_states();
  void await_states();
  void read_page(Client& client);
  void on_page(const std::weak_ptr<WebSocketSession>& socket,
               const Result<std::vector<ImageRecord>>& page);
  SharedText cluster_text();

  boost::asio::io_context& io_;
  Storage& storage_;
  Control& control_;
  SharedText cluster_text_;  // of this second, for every socket; null: nobody has asked yet
  bool closing_ = false;
  Clients clients_;
  std::unordered_multimap<SessionId, WebSocketSession*> by_session_;
  StateHints states_;
  bool awaiting_states_ = false;  // states_due_
  boost::asio::steady_timer states_due_;
};

}  // namespace imgrec::manager
