#include "tests/simulation/sim_manager_connection.h"

#include <string>
#include <utility>
#include <variant>

namespace imgrec::simulation {
namespace {

constexpr std::size_t kMaxOutbox = 8192;  // frames, as in manager/net/worker_connection.cpp

}  // namespace

SimManager::WorkerConnection::WorkerConnection(SimManager& manager, WorkerId worker,
                                               Connection& connection)
    : manager_(manager),
      worker_(worker),
      connection_(connection),
      session_(manager.plan_.manager_session, manager.world_.now()),
      alarm_(manager.world_.loop, [this] {
        if (closed_) return;
        session_.on_tick(manager_.world_.now());
        pump();
      }) {
  alarm_.set(session_.next_deadline());
}

void SimManager::WorkerConnection::on_bytes(std::string_view bytes) {
  session_.feed(bytes, manager_.world_.now());
  pump();
}

void SimManager::WorkerConnection::on_end(std::string_view why) {
  session_.on_disconnect(why);
  pump();
}

bool SimManager::WorkerConnection::session_over() const {
  return session_.state() == proto::SessionState::kClosed;
}

void SimManager::WorkerConnection::welcome() {
  session_.welcome(worker_, manager_.id_, manager_.world_.now());
  pump();
}

void SimManager::WorkerConnection::refuse(const proto::Refuse& refuse) {
  session_.refuse(refuse);
  pump();
}

void SimManager::WorkerConnection::assign(const proto::Assign& assign) {
  if (session_.state() != proto::SessionState::kReady) return;  // as the real one
  session_.assign(assign);
  pump();
}

void SimManager::WorkerConnection::cancel(const proto::Cancel& cancel) {
  session_.cancel(cancel);
  pump();
}

void SimManager::WorkerConnection::drain(const proto::Drain& drain) {
  session_.send_drain(drain);
  pump();
}

void SimManager::WorkerConnection::bye(const std::string& reason) {
  if (session_over()) return;
  session_.send_bye(reason);
  pump();
}

void SimManager::WorkerConnection::break_off() {
  if (closed_) return;
  closed_ = true;
  alarm_.set(std::nullopt);
  connection_.to_manager.set_reader(nullptr);
  connection_.to_worker.break_off();
}

// As the real one: the manager may call back into this object; its call then only queues.
void SimManager::WorkerConnection::pump() {
  if (pumping_ || closed_) return;
  pumping_ = true;
  if (const auto rtt = session_.take_measured_rtt(); rtt && introduced_) {
    manager_.apply(manager::LinkMeasured{worker_, *rtt});
  }
  for (;;) {
    auto messages = session_.take_messages();
    if (messages.empty()) break;
    for (auto& message : messages) handle(std::move(message));
  }
  pumping_ = false;
  if (closed_) return;
  for (const auto& frame : session_.take_output()) connection_.to_worker.write(frame);
  if (connection_.to_worker.waiting() > kMaxOutbox) {
    session_.on_disconnect("the worker sends but does not read");
  }
  if (session_over()) return close();
  alarm_.set(session_.next_deadline());
}

void SimManager::WorkerConnection::handle(proto::Message message) {
  if (auto* hello = std::get_if<proto::Hello>(&message)) {
    introduced_ = true;
    const std::string address = "10.0.0." + hello->name.substr(1) + ":50000";
    manager_.apply(manager::WorkerIntroduced{worker_, address, std::move(*hello)});
    return;
  }
  if (!introduced_) return;
  manager_.apply(manager::WorkerSaid{worker_, std::move(message)});
}

void SimManager::WorkerConnection::close() {
  closed_ = true;
  alarm_.set(std::nullopt);
  connection_.to_manager.set_reader(nullptr);
  connection_.to_worker.finish();
  if (!session_.close_reason().ok()) {
    manager_.world_.tell({30, worker_.value}, [&] {
      return "the manager closes connection " + std::to_string(worker_.value) + ": " +
             session_.close_reason().message();
    });
  }
  if (introduced_) manager_.apply(manager::WorkerDisconnected{worker_});
}

}  // namespace imgrec::simulation
