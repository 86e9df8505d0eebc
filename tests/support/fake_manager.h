// A manager for tests of workers: the protocol session on a loopback port, and verbs.
//
// Thread rule: it runs a thread of its own; every public function from any other thread. Waiting
// functions wait on conditions and give up after 10 s.
// Owns: its thread, listening socket, connections and a record of what came.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "proto/messages.h"
#include "proto/session.h"

namespace imgrec::test {

class FakeManager {
 public:
  // port 0: the system chooses.
  explicit FakeManager(std::uint16_t port = 0, std::string manager_id = std::string(32, 'a'));
  ~FakeManager();

  std::uint16_t port() const { return port_; }

  // ---- verbs; those that send use the newest connection ----
  void refuse_with(proto::Refuse refuse);  // every HELLO from now on
  void welcome_again();
  void assign(std::uint64_t job, std::string image, std::uint32_t attempt = 1,
              std::chrono::milliseconds deadline = {});
  void cancel(std::uint64_t job, std::uint32_t attempt = 1);
  void drain();
  void close_connections();  // as a crash does

  // ---- what came ----
  // Waits for `n` messages of type T in all; fewer are returned when the time is up.
  template <class T>
  std::vector<T> wait_for(std::size_t n) {
    std::vector<T> found;
    wait([&] {
      found.clear();
      for (const proto::Message& message : received_) {
        if (const T* m = std::get_if<T>(&message)) found.push_back(*m);
      }
      return found.size() >= n;
    });
    return found;
  }
  // How many have come so far.
  template <class T>
  std::size_t count() {
    const std::scoped_lock lock(mutex_);
    std::size_t n = 0;
    for (const proto::Message& message : received_) n += std::holds_alternative<T>(message) ? 1 : 0;
    return n;
  }
  // Waits until `n` connections in all have been welcomed, and the workers know it.
  bool wait_registered(std::size_t n);
  // Waits until no connection is open.
  bool wait_disconnected();

 private:
  struct Connection;

  bool wait(const std::function<bool()>& condition);
  void accept();
  void read(const std::shared_ptr<Connection>& connection);
  void pump(const std::shared_ptr<Connection>& connection);
  void take(Connection& connection, const proto::Message& message);
  void note_registered(Connection& connection);
  void drop(const std::shared_ptr<Connection>& connection);
  void on_newest(std::function<void(proto::ManagerSession&)> act);

  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  const std::string manager_id_;
  std::vector<std::shared_ptr<Connection>> connections_;  // of the thread
  std::optional<proto::Refuse> refuse_;                   // of the thread
  std::uint64_t next_worker_ = 1;                         // of the thread
  std::mutex mutex_;                                      // guards what follows
  std::condition_variable changed_;
  std::vector<proto::Message> received_;
  std::size_t registered_ = 0;
  std::size_t open_ = 0;
  std::thread thread_;
};

}  // namespace imgrec::test
