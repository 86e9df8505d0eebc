#include "manager/app/live_feed.h"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "common/logging.h"
#include "manager/app/socket_command.h"

namespace imgrec::manager {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kPage = 100;  // results per read; below a socket's queue, so a page fits
constexpr std::string_view kClusterKey = "cluster";

}  // namespace

LiveFeed::LiveFeed(asio::io_context& io, Storage& storage, Control& control,
                   std::chrono::milliseconds state_lasts)
    : io_(io), storage_(storage), control_(control), states_(state_lasts), states_due_(io) {}

void LiveFeed::open(UpgradeRequest upgrade, SessionId session, std::optional<std::uint64_t> after) {
  if (closing_ || clients_.size() >= kMaxSockets) return;  // closes the socket
  // A number that was never given out is of other data, or of what a power loss took back.
  const std::uint64_t newest = storage_.last_seq();
  const EventCursor cursor(std::min(after.value_or(newest), newest), after.has_value());
  auto socket = std::make_shared<WebSocketSession>(std::move(upgrade.socket),
                                                   static_cast<WebSocketSession::Listener&>(*this));
  socket->hold(std::move(upgrade.place));
  clients_.emplace(socket.get(), Client{socket, session, cursor, false, false});
  by_session_.emplace(std::move(session), socket.get());
  socket->accept(std::move(upgrade.raw_head));
}

void LiveFeed::on_open(WebSocketSession& socket) {
  const auto found = clients_.find(&socket);
  if (found == clients_.end()) return;
  found->second.greeted = true;
  socket.send(hello_event(storage_.last_seq(), control_.model()));
  read_page(found->second);
}

void LiveFeed::on_closed(WebSocketSession& socket) {
  const auto found = clients_.find(&socket);
  if (found == clients_.end()) return;
  auto [first, last] = by_session_.equal_range(found->second.session);
  for (; first != last; ++first) {
    if (first->second == &socket) {
      by_session_.erase(first);
      break;
    }
  }
  clients_.erase(found);
}

void LiveFeed::on_text(WebSocketSession& socket, std::string_view text) {
  const auto found = clients_.find(&socket);
  if (found == clients_.end()) return;
  const auto wanted = read_cluster_command(text);
  if (!wanted) return;
  found->second.wants_cluster = *wanted;
  if (*wanted) socket.send(cluster_text(), kClusterKey);
}

// Made once a second, however many sockets want it and however often they ask.
SharedText LiveFeed::cluster_text() {
  if (!cluster_text_) {
    ClusterView view = control_.view();
    view.sockets = clients_.size();
    cluster_text_ = cluster_event(view);
  }
  return cluster_text_;
}

void LiveFeed::on_second() {
  cluster_text_ = nullptr;
  for (auto& [key, client] : clients_) {
    if (!client.wants_cluster) continue;
    client.socket->send(cluster_text(), kClusterKey);  // who reads slowly has the newest one wait
  }
}

// What is no result may be missed: the page reads it over REST when it needs it.
void LiveFeed::hint_session(const SessionId& session, const ImageId& image, const SharedText& text,
                            Room room) {
  const auto [first, last] = by_session_.equal_range(session);
  for (auto it = first; it != last; ++it) {
    WebSocketSession& socket = *it->second;
    if (clients_.at(&socket).greeted && (socket.*room)()) socket.send(text, image.text);
  }
}

void LiveFeed::on_state(const ImageRecord& image) {
  if (!by_session_.contains(image.session)) {
    states_.forget(image.id);  // what nobody was told of in time is old for who comes next
    return;
  }
  states_.note({image.id, image.session, image.state, image.attempts, image.worker},
               std::chrono::steady_clock::now());
  tell_states();
}

// States come by the hundred with an upload: half of the queue stays free of them, for results.
void LiveFeed::tell_states() {
  const auto now = std::chrono::steady_clock::now();
  while (const auto state = states_.pop_due(now)) {
    hint_session(state->session, state->id, state_event(*state), &WebSocketSession::idle);
  }
  await_states();
}

void LiveFeed::await_states() {
  const auto due = states_.next();
  if (awaiting_states_ || closing_ || !due) return;
  awaiting_states_ = true;
  states_due_.expires_at(*due);
  states_due_.async_wait([this](boost::system::error_code ec) {
    if (ec) return;
    awaiting_states_ = false;
    tell_states();
  });
}

void LiveFeed::on_deleted(const ImageRecord& image) {
  states_.forget(image.id);
  if (!by_session_.contains(image.session)) return;
  hint_session(image.session, image.id, deleted_event(image.id), &WebSocketSession::has_room);
}

void LiveFeed::on_settled(const ImageRecord& image) {
  states_.forget(image.id);
  const auto [first, last] = by_session_.equal_range(image.session);
  SharedText text;
  for (auto it = first; it != last; ++it) {
    Client& client = clients_.at(it->second);
    const bool room = client.greeted && client.socket->has_room();
    if (!client.cursor.on_live(image.settle_seq, room)) continue;
    if (!text) text = image_event(image);
    client.socket->send(text, image.id.text);
  }
}

void LiveFeed::on_room(WebSocketSession& socket) {
  const auto found = clients_.find(&socket);
  if (found != clients_.end()) read_page(found->second);
}

// A page is read only when a whole one fits at that moment.
void LiveFeed::read_page(Client& client) {
  if (!client.cursor.wants_page(client.socket->idle())) return;
  client.cursor.on_page_requested();
  storage_.settled_after(
      client.session, client.cursor.seen(), kPage,
      [this, socket = std::weak_ptr(client.socket)](Result<std::vector<ImageRecord>> page) {
        asio::post(io_, [this, socket, page = std::move(page)] { on_page(socket, page); });
      });
}

void LiveFeed::on_page(const std::weak_ptr<WebSocketSession>& socket,
                       const Result<std::vector<ImageRecord>>& page) {
  const auto alive = socket.lock();
  const auto found = alive ? clients_.find(alive.get()) : clients_.end();
  if (found == clients_.end()) return;
  Client& client = found->second;
  if (!page.ok()) {
    spdlog::error("replay_failed error={}", log_text(page.status().message()));
    alive->close("results cannot be read; please reconnect");
    return;
  }
  // What was said while it was read may have taken its room: the rest is read again later.
  std::uint64_t last = 0;
  bool more = page->size() == kPage;
  for (const ImageRecord& image : *page) {
    if (!alive->send(image_event(image))) {
      more = true;
      break;
    }
    last = image.settle_seq;
  }
  client.cursor.on_page(last, more);
  read_page(client);
}

void LiveFeed::close_all(const std::string& reason) {
  closing_ = true;
  states_due_.cancel();
  const Clients clients = clients_;  // close() erases its own entry
  for (const auto& [key, client] : clients) client.socket->close(reason);
}

}  // namespace imgrec::manager
