// The workers that are connected: who they say they are, whether they are welcome, what they did.
// Pure: no sockets, no clock.
//
// Thread rule: confined to the control thread.
// Owns: one entry per registered worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "manager/core/rate_meter.h"
#include "proto/ids.h"
#include "proto/messages.h"

namespace imgrec::manager {

struct ModelIdentity {
  std::string name;
  std::string digest;
  std::size_t classes = 0;
};

struct RegisteredWorker {
  WorkerId id;
  std::string name;
  std::string instance_id;
  std::string address;  // "10.0.0.7:51324"
  ModelIdentity model;
  unsigned credit = 0;
  unsigned streams = 0;
  bool draining = false;
  TimePoint connected;
  std::uint64_t done = 0;    // results that won
  std::uint64_t failed = 0;  // FAIL messages
  RateMeter rate;
};

class WorkerRegistry {
 public:
  explicit WorkerRegistry(std::size_t max_workers = 4096) : max_workers_(max_workers) {}

  // nullopt: welcome. One model serves at a time: the first worker's, until no worker with it is
  // left; otherwise the same photo would get answers from different label sets.
  std::optional<proto::Refuse> judge(const proto::Hello& hello) const;

  // REQUIRES: judge() welcomed it; `id` was never used before.
  RegisteredWorker& add(WorkerId id, const proto::Hello& hello, std::string address, TimePoint now);
  void remove(WorkerId worker);

  RegisteredWorker* find(WorkerId worker);
  // The registered worker with this instance id: a process that reconnects before its old
  // connection was found dead.
  std::optional<WorkerId> find_instance(const std::string& instance_id) const;
  const std::map<WorkerId, RegisteredWorker>& workers() const { return workers_; }
  const std::optional<ModelIdentity>& model() const { return model_; }

 private:
  std::size_t max_workers_;
  std::map<WorkerId, RegisteredWorker> workers_;
  std::optional<ModelIdentity> model_;  // that of the connected workers; nullopt when there is none
};

}  // namespace imgrec::manager
