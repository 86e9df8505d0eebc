// One worker process' connection to one shard's manager: a real WorkerSession in a shell like
// worker/net/manager_link.
//
// Thread rule: not shared; each schedule has its own. It stays in its place to the end of the
// schedule, because its alarm points to it.
// Owns: its session. Borrows its process and the connection.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "proto/session.h"
#include "tests/simulation/liar.h"
#include "tests/simulation/network.h"
#include "worker/core/worker_core.h"
#include "worker/net/backoff.h"

namespace imgrec::simulation {

class SimShard;
class SimWorker;
class WorkerProcess;

class WorkerLink final : public Endpoint {
 public:
  WorkerLink(WorkerProcess& process, SimWorker& worker, SimShard& shard, proto::Hello hello);

  void connect();
  void kill();   // with its process
  void leave();  // the process has ended in good order
  void stall(TimePoint until);
  void stop_connecting() { stopping_ = true; }
  bool stopping() const { return stopping_; }

  // As the core wants it. Answers are held against what was asked on this very connection.
  void answer(proto::Message answer, JobId job, std::uint32_t attempt);
  void send_drain(const proto::Drain& drain);
  void send_bye(const std::string& reason);
  void set_load(proto::Load load);

  worker::LinkId id() const;
  bool registered() const { return registered_; }
  Connection* connection() { return session_ ? connection_ : nullptr; }

  void on_bytes(std::string_view bytes) override;
  void on_end(std::string_view why) override;
  bool session_over() const override;

 private:
  using Key = std::pair<JobId, std::uint32_t>;

  void connected(Connection* connection);
  void check_answer(JobId job, std::uint32_t attempt);
  void pump();
  void handle(proto::Message message);
  void handle(const proto::Cancel& cancel);
  void close_connection();
  void reconnect_later();
  void on_alarm();

  WorkerProcess& process_;
  SimWorker& worker_;
  SimShard& shard_;
  World& world_;
  const proto::Hello hello_;
  worker::Backoff backoff_;
  std::optional<Liar> liar_;
  Alarm alarm_;
  Connection* connection_ = nullptr;
  std::optional<proto::WorkerSession> session_;  // none: not connected
  std::optional<proto::Refuse> refusal_;
  bool registered_ = false;
  bool stopping_ = false;  // connects no more
  bool pumping_ = false;
  std::map<Key, unsigned> asked_;  // on this connection: how often, less answers and cancels
};

}  // namespace imgrec::simulation
