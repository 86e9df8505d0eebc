#include "tests/support/fake_manager.h"

#include <array>
#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

namespace imgrec::test {
namespace asio = boost::asio;
namespace {
using Clock = std::chrono::steady_clock;
using Tcp = asio::ip::tcp;
}  // namespace

struct FakeManager::Connection {
  explicit Connection(Tcp::socket s)
      : socket(std::move(s)), timer(socket.get_executor()), session({}, Clock::now()) {}
  Tcp::socket socket;
  asio::steady_timer timer;
  proto::ManagerSession session;
  std::array<char, 64 * 1024> buffer{};
  bool open = true;
  bool registered = false;
};

FakeManager::FakeManager(std::uint16_t port, std::string manager_id)
    : acceptor_(io_, Tcp::endpoint(asio::ip::address_v4::loopback(), port)),
      port_(acceptor_.local_endpoint().port()),
      manager_id_(std::move(manager_id)) {
  accept();
  thread_ = std::thread([this] { io_.run(); });
}

FakeManager::~FakeManager() {
  io_.stop();
  thread_.join();
}

void FakeManager::accept() {
  acceptor_.async_accept([this](const boost::system::error_code& error, Tcp::socket socket) {
    if (error) return;
    auto connection = std::make_shared<Connection>(std::move(socket));
    connections_.push_back(connection);
    {
      const std::lock_guard lock(mutex_);
      ++open_;
    }
    read(connection);
    pump(connection);
    accept();
  });
}

void FakeManager::read(const std::shared_ptr<Connection>& connection) {
  connection->socket.async_read_some(
      asio::buffer(connection->buffer),
      [this, connection](const boost::system::error_code& error, std::size_t bytes) {
        if (error) return drop(connection);
        connection->session.feed({connection->buffer.data(), bytes}, Clock::now());
        pump(connection);
        if (connection->open) read(connection);
      });
}

// Writes block: frames of tests are small, and the worker reads all the time.
void FakeManager::pump(const std::shared_ptr<Connection>& connection) {
  if (!connection->open) return;
  for (const proto::Message& message : connection->session.take_messages()) {
    take(*connection, message);
  }
  note_registered(*connection);
  for (const proto::OutgoingFrame& frame : connection->session.take_output()) {
    std::array<asio::const_buffer, 2> buffers{
        asio::buffer(frame.head), frame.body ? asio::buffer(*frame.body) : asio::const_buffer()};
    boost::system::error_code error;
    asio::write(connection->socket, buffers, error);
    if (error) return drop(connection);
  }
  if (connection->session.state() == proto::SessionState::kClosed) return drop(connection);
  if (const auto deadline = connection->session.next_deadline()) {
    connection->timer.expires_at(*deadline);
    connection->timer.async_wait([this, connection](const boost::system::error_code& error) {
      if (error || !connection->open) return;
      connection->session.on_tick(Clock::now());
      pump(connection);
    });
  }
}

void FakeManager::take(Connection& connection, const proto::Message& message) {
  if (std::holds_alternative<proto::Hello>(message)) {
    if (refuse_) {
      connection.session.refuse(*refuse_);
    } else {
      connection.session.welcome(WorkerId{next_worker_++}, manager_id_, Clock::now());
    }
  }
  {
    const std::lock_guard lock(mutex_);
    received_.push_back(message);
  }
  changed_.notify_all();
}

// A worker answers the first PING after it has seen its WELCOME, and not before.
void FakeManager::note_registered(Connection& connection) {
  if (connection.registered || !connection.session.rtt()) return;
  connection.registered = true;
  {
    const std::lock_guard lock(mutex_);
    ++registered_;
  }
  changed_.notify_all();
}

void FakeManager::drop(const std::shared_ptr<Connection>& connection) {
  if (!connection->open) return;
  connection->open = false;
  connection->timer.cancel();
  boost::system::error_code ignored;
  connection->socket.close(ignored);
  std::erase(connections_, connection);
  {
    const std::lock_guard lock(mutex_);
    --open_;
  }
  changed_.notify_all();
}

void FakeManager::on_newest(std::function<void(proto::ManagerSession&)> act) {
  asio::post(io_, [this, act = std::move(act)] {
    if (connections_.empty()) return;
    const auto connection = connections_.back();
    act(connection->session);
    pump(connection);
  });
}

void FakeManager::refuse_with(proto::Refuse refuse) {
  asio::post(io_, [this, refuse = std::move(refuse)] { refuse_ = refuse; });
}

void FakeManager::welcome_again() {
  asio::post(io_, [this] { refuse_.reset(); });
}

void FakeManager::assign(std::uint64_t job, std::string image, std::uint32_t attempt,
                         std::chrono::milliseconds deadline) {
  proto::Assign assign;
  assign.job = JobId{job};
  assign.attempt = attempt;
  assign.deadline = deadline;
  assign.image = std::make_shared<const std::string>(std::move(image));
  on_newest([assign = std::move(assign)](proto::ManagerSession& s) { s.assign(assign); });
}

void FakeManager::cancel(std::uint64_t job, std::uint32_t attempt) {
  on_newest([=](proto::ManagerSession& s) {
    s.cancel({JobId{job}, attempt, proto::CancelReason::kTimedOut});
  });
}

void FakeManager::drain() {
  on_newest([](proto::ManagerSession& s) {
    s.send_drain({std::chrono::seconds(5), "the test says so"});
  });
}

void FakeManager::close_connections() {
  asio::post(io_, [this] {
    while (!connections_.empty()) drop(connections_.back());
  });
}

bool FakeManager::wait(const std::function<bool()>& condition) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), condition);
}

bool FakeManager::wait_registered(std::size_t n) {
  return wait([&] { return registered_ >= n; });
}

bool FakeManager::wait_disconnected() {
  return wait([&] { return open_ == 0; });
}

}  // namespace imgrec::test
