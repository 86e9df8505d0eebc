#include "manager/net/worker_server.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "common/logging.h"

namespace imgrec::manager {
namespace asio = boost::asio;
using boost::system::error_code;

WorkerServer::WorkerServer(asio::io_context& io, WorkerServerOptions options, Observer& observer)
    : io_(io),
      options_(std::move(options)),
      observer_(observer),
      acceptor_(io),
      retry_timer_(io),
      registry_(options_.max_workers) {}

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
    WorkerConnection::Listener& listener = *this;
    auto connection = std::make_shared<WorkerConnection>(std::move(socket), options_.session,
                                                         listener, options_.tls);
    if (has_room_for(*connection)) {
      handshaking_.insert(connection);
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
  const auto same = std::count_if(handshaking_.begin(), handshaking_.end(), [&](const auto& other) {
    return other->host() == connection.host();
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
  if (const auto* hello = std::get_if<proto::Hello>(&message)) {
    on_hello(connection, *hello);
  } else if (!registry_.find(worker)) {
    return;  // replaced by a newer connection of the same process
  } else if (const auto* outcome = std::get_if<proto::Outcome>(&message)) {
    observer_.on_outcome(worker, *outcome);
  } else if (const auto* fail = std::get_if<proto::Fail>(&message)) {
    registry_.find(worker)->failed++;
    observer_.on_fail(worker, *fail);
  } else if (const auto* drain = std::get_if<proto::Drain>(&message)) {
    spdlog::info("worker_draining worker={} name={} reason={}", worker.value,
                 log_text(registry_.find(worker)->name), log_text(drain->reason));
    registry_.find(worker)->draining = true;
    observer_.on_worker_draining(worker);
  } else if (const auto* bye = std::get_if<proto::Bye>(&message)) {
    spdlog::info("worker_bye worker={} name={} reason={}", worker.value,
                 log_text(registry_.find(worker)->name), log_text(bye->reason));
    // One that says farewell was not killed by what it held.
    observer_.on_worker_draining(worker);
  }
}

void WorkerServer::on_hello(WorkerConnection& connection, const proto::Hello& hello) {
  std::optional<proto::Refuse> refuse = registry_.judge(hello);
  if (shutting_down_) {
    refuse = proto::Refuse{proto::RefuseCode::kShuttingDown, true, std::chrono::seconds(2),
                           "this manager is shutting down"};
  }
  if (refuse) {
    spdlog::warn("worker_refused address={} name={} reason={}", connection.address(),
                 log_text(hello.name), log_text(refuse->reason));
    connection.refuse(*refuse);
    return;
  }
  if (const auto old = registry_.find_instance(hello.instance_id)) {
    if (const auto found = registered_.find(*old); found != registered_.end()) {
      const auto keep = found->second;  // bye() ends in on_closed, which erases it
      keep->bye("the same worker process has connected again");
    }
  }
  auto self = connection.shared_from_this();
  const RegisteredWorker& worker =
      registry_.add(hello, connection.address(), std::chrono::steady_clock::now());
  handshaking_.erase(self);
  registered_[worker.id] = self;
  spdlog::info("worker_joined worker={} name={} address={} model={} credit={} streams={}",
               worker.id.value, log_text(worker.name), worker.address, log_text(worker.model.name),
               worker.credit, worker.streams);
  connection.welcome(worker.id, options_.manager_id);
  observer_.on_worker_joined(worker, hello);
}

void WorkerServer::on_closed(WorkerConnection& connection, const Status& why) {
  const WorkerId worker = connection.worker();
  handshaking_.erase(connection.shared_from_this());
  if (worker.value == 0) {
    if (why.ok()) return;
    if (const auto left_out = rejections_.admit(std::chrono::steady_clock::now())) {
      spdlog::warn("worker_connection_rejected address={} reason={} left_out={}",
                   connection.address(), log_text(why.message()), *left_out);
    }
    return;
  }
  const auto* known = registry_.find(worker);
  spdlog::info("worker_left worker={} name={} reason={}", worker.value,
               known ? log_text(known->name) : "unknown",
               why.ok() ? "bye" : log_text(why.message()));
  registered_.erase(worker);
  registry_.remove(worker);
  observer_.on_worker_left(worker);
}

bool WorkerServer::assign(WorkerId worker, const proto::Assign& assign) {
  const auto found = registered_.find(worker);
  if (found == registered_.end()) return false;
  const auto connection = found->second;
  connection->assign(assign);
  return true;
}

void WorkerServer::cancel(WorkerId worker, const proto::Cancel& cancel) {
  const auto found = registered_.find(worker);
  if (found == registered_.end()) return;
  const auto connection = found->second;
  connection->cancel(cancel);
}

std::optional<std::chrono::microseconds> WorkerServer::rtt(WorkerId worker) const {
  const auto found = registered_.find(worker);
  if (found == registered_.end()) return std::nullopt;
  return found->second->session().rtt();
}

void WorkerServer::begin_shutdown() { shutting_down_ = true; }

void WorkerServer::close_all(const std::string& reason) {
  error_code ignored;
  acceptor_.close(ignored);
  retry_timer_.cancel();
  const auto registered = registered_;  // each bye() erases its own entry
  for (const auto& [id, connection] : registered) connection->bye(reason);
  const auto handshaking = handshaking_;
  for (const auto& connection : handshaking) connection->bye(reason);
}

}  // namespace imgrec::manager
