#include "manager/net/worker_server.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "common/logging.h"

namespace imgrec::manager {
namespace asio = boost::asio;
using boost::system::error_code;

WorkerServer::WorkerServer(asio::io_context& io, WorkerServerOptions options, Listener& listener)
    : io_(io),
      options_(std::move(options)),
      listener_(listener),
      acceptor_(io),
      retry_timer_(io),
      links_(std::chrono::steady_clock::now()) {}

Status WorkerServer::start() {
  error_code ec;
  const auto address = asio::ip::make_address(options_.listen_address, ec);
  if (ec) {
    return Status(StatusCode::kInvalidArgument,
                  "'" + options_.listen_address +
                      "' is no IP address to listen on for workers; use 0.0.0.0, 127.0.0.1 or ::");
  }
  const asio::ip::tcp::endpoint endpoint(address, options_.port);
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) {
    return Status(StatusCode::kUnavailable,
                  "cannot listen for workers on " + options_.listen_address + ":" +
                      std::to_string(options_.port) + ": " + ec.message() +
                      "; stop the other program or choose another port with --worker-port");
  }
  accept();
  return {};
}

std::uint16_t WorkerServer::port() const { return acceptor_.local_endpoint().port(); }

void WorkerServer::accept() {
  acceptor_.async_accept([this](error_code ec, asio::ip::tcp::socket socket) {
    if (ec == asio::error::operation_aborted) return;
    if (ec) {
      spdlog::warn("worker_accept_failed error=\"{}\"", ec.message());
      accept_later();
      return;
    }
    const WorkerId worker{++last_number_};
    WorkerConnection::Listener& listener = *this;
    const auto connection =
        std::make_shared<WorkerConnection>(std::move(socket), worker, options_.session,
                                           options_.tuning, options_.lanes, listener, options_.tls);
    if (has_room_for(*connection)) {
      handshaking_.insert(worker);
      connections_.emplace(worker, connection);
      connection->start();
    } else if (const auto left_out = overflows_.admit(std::chrono::steady_clock::now())) {
      spdlog::warn("worker_connection_dropped address={} handshakes={} left_out={}",
                   connection->address(), handshaking_.size(), *left_out);
    }
    accept();
  });
}

// One address cannot take all the places, so that a single stranger keeps no other worker out.
bool WorkerServer::has_room_for(const WorkerConnection& connection) const {
  if (handshaking_.size() >= options_.max_handshakes) return false;
  const auto same = std::count_if(handshaking_.begin(), handshaking_.end(), [&](WorkerId other) {
    return connections_.at(other)->host() == connection.host();
  });
  return static_cast<std::size_t>(same) < options_.max_handshakes_per_address;
}

// Out of descriptors or memory: trying again at once would only spin.
void WorkerServer::accept_later() {
  retry_timer_.expires_after(std::chrono::milliseconds(100));
  retry_timer_.async_wait([this](error_code ec) {
    if (!ec) accept();
  });
}

void WorkerServer::on_message(WorkerConnection& connection, proto::Message message) {
  const WorkerId worker = connection.worker();
  if (const auto* lane = std::get_if<proto::Lane>(&message)) {
    take_lane(connection, *lane);
  } else if (auto* hello = std::get_if<proto::Hello>(&message)) {
    introduced_.insert(worker);
    listener_.on_hello(worker, connection.address(), std::move(*hello));
  } else if (introduced_.contains(worker)) {
    listener_.on_message(worker, std::move(message));
  }
}

void WorkerServer::take_lane(WorkerConnection& connection, const proto::Lane& lane) {
  const auto whose = std::find_if(introduced_.begin(), introduced_.end(), [&](WorkerId worker) {
    return connections_.at(worker)->lanes_key() == lane.key;
  });
  if (whose == introduced_.end()) {
    return connection.refuse(
        {proto::RefuseCode::kBadHello, false, {}, "nobody waits for this lane"});
  }
  const auto to = connections_.at(*whose);
  const WorkerId number = connection.worker();
  handshaking_.erase(number);
  auto stream = connection.give_away();
  connections_.erase(number);  // its own handler still holds it
  to->add_lane(lane.index, std::move(stream));
}

void WorkerServer::on_round_trip(WorkerConnection& connection, std::chrono::microseconds rtt,
                                 bool guessed) {
  if (introduced_.contains(connection.worker())) {
    listener_.on_round_trip(connection.worker(), rtt, guessed);
  }
}

void WorkerServer::sample_links(LinkLedger::TimePoint now) {
  read_links(now);
  links_.on_second(now);
}

// A connection takes some microseconds, so that this is a twentieth of the thread's time at most.
void WorkerServer::refresh_links(LinkLedger::TimePoint now) {
  constexpr std::chrono::microseconds kEach{100};
  if (now - links_read_ >= kEach * sockets_) read_links(now);
}

// Reading one may end it, and asking its worker for lanes may.
void WorkerServer::read_links(LinkLedger::TimePoint now) {
  sockets_ = 0;
  std::size_t coming = 0;  // lanes, which have to shake hands first
  for (const WorkerId worker : introduced_) coming += connections_.at(worker)->lanes_missing();
  const std::vector<WorkerId> workers(introduced_.begin(), introduced_.end());
  for (const WorkerId worker : workers) {
    const auto connection = find(worker);
    if (!connection) continue;
    const std::size_t before = connection->lanes_missing();
    read_link(*connection, coming + options_.lanes <= options_.max_handshakes_per_address, now);
    coming += connection->lanes_missing() - before;
  }
  links_read_ = now;
}

void WorkerServer::read_link(WorkerConnection& connection, bool may_ask,
                             LinkLedger::TimePoint now) {
  auto figures = connection.follow(may_ask);
  if (!figures || !introduced_.contains(connection.worker())) return;
  sockets_ += figures->connections;
  links_.read(connection.worker(), *std::move(figures), now);
}

void WorkerServer::on_closed(WorkerConnection& connection, const Status& why) {
  const WorkerId worker = connection.worker();
  // What it carried since the last time is to be counted too.
  if (introduced_.contains(worker)) read_link(connection, false, std::chrono::steady_clock::now());
  links_.forget(worker);
  const bool handshaking = handshaking_.erase(worker) > 0;
  if (handshaking && !why.ok()) {
    if (const auto left_out = rejections_.admit(std::chrono::steady_clock::now())) {
      spdlog::warn("worker_connection_rejected address={} reason={} left_out={}",
                   connection.address(), log_text(why.message()), *left_out);
    }
  }
  connections_.erase(worker);
  if (introduced_.erase(worker) > 0) listener_.on_worker_left(worker, why);
}

std::shared_ptr<WorkerConnection> WorkerServer::find(WorkerId worker) const {
  const auto found = connections_.find(worker);
  return found == connections_.end() ? nullptr : found->second;
}

void WorkerServer::welcome(WorkerId worker) {
  const auto connection = find(worker);
  if (!connection) return;
  handshaking_.erase(worker);
  connection->welcome(options_.manager_id);
}

void WorkerServer::refuse(WorkerId worker, const proto::Refuse& refuse) {
  if (const auto connection = find(worker)) connection->refuse(refuse);
}

void WorkerServer::assign(WorkerId worker, const proto::Assign& assign) {
  if (const auto connection = find(worker)) connection->assign(assign);
}

void WorkerServer::cancel(WorkerId worker, const proto::Cancel& cancel) {
  if (const auto connection = find(worker)) connection->cancel(cancel);
}

void WorkerServer::drain(WorkerId worker, const proto::Drain& drain) {
  if (const auto connection = find(worker)) connection->drain(drain);
}

void WorkerServer::bye(WorkerId worker, const std::string& reason) {
  if (const auto connection = find(worker)) connection->bye(reason);
}

std::optional<std::chrono::microseconds> WorkerServer::rtt(WorkerId worker) const {
  const auto connection = find(worker);
  return connection ? connection->session().rtt() : std::nullopt;
}

void WorkerServer::stop_accepting(const std::string& reason) {
  error_code ignored;
  acceptor_.close(ignored);
  retry_timer_.cancel();
  const auto handshaking = handshaking_;  // each bye() erases its own entry
  for (const WorkerId worker : handshaking) bye(worker, reason);
}

}  // namespace imgrec::manager
