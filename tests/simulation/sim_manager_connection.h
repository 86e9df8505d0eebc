// The manager's end of one worker connection: a real ManagerSession in a shell like
// manager/net/worker_connection, over a simulated connection.
//
// Thread rule: not shared; each schedule has its own. It stays in its place to the end of the
// schedule, because its alarm points to it.
// Owns: its session. Borrows the connection and the manager.
#pragma once

#include <string_view>

#include "proto/session.h"
#include "tests/simulation/network.h"
#include "tests/simulation/sim_manager.h"

namespace imgrec::simulation {

class SimManager::WorkerConnection final : public Endpoint {
 public:
  WorkerConnection(SimManager& manager, WorkerId worker, Connection& connection);

  void on_bytes(std::string_view bytes) override;
  void on_end(std::string_view why) override;
  bool session_over() const override;

  void welcome();
  void refuse(const proto::Refuse& refuse);
  void assign(const proto::Assign& assign);
  void cancel(const proto::Cancel& cancel);
  void drain(const proto::Drain& drain);
  void bye(const std::string& reason);
  void break_off();  // the manager's process has died

  WorkerId worker() const { return worker_; }
  const proto::ManagerSession& session() const { return session_; }

 private:
  void pump();
  void handle(proto::Message message);
  void close();

  SimManager& manager_;
  const WorkerId worker_;
  Connection& connection_;
  proto::ManagerSession session_;
  Alarm alarm_;
  bool introduced_ = false;
  bool pumping_ = false;
  bool closed_ = false;
};

}  // namespace imgrec::simulation
