// The workers that are connected: who they say they are, whether they are welcome, what they did.
// Pure: no sockets, no clock.
//
// One model serves. While it is changed two do: a process that works for us already may bring
// another one, and from then on whoever has either is welcome, until no worker with the old one is
// left. Each answer is of its own connection's model.
//
// Thread rule: confined to the control thread.
// Owns: one entry per registered worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
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

  // nullopt: welcome. A stranger's other model is not: the same photo would get answers of
  // different models by chance. Nor is a third one.
  std::optional<proto::Refuse> judge(const proto::Hello& hello) const;

  // REQUIRES: judge() welcomed it; `id` was never used before.
  RegisteredWorker& add(WorkerId id, const proto::Hello& hello, std::string address, TimePoint now);
  void remove(WorkerId worker);

  RegisteredWorker* find(WorkerId worker);
  // The registered worker with this instance id: a process that reconnects before its old
  // connection was found dead. (A process that changes its model connects with another id.)
  std::optional<WorkerId> find_instance(const std::string& instance_id) const;
  const std::map<WorkerId, RegisteredWorker>& workers() const { return workers_; }
  // The one that serves; of two the one that came later. nullopt: there is no worker.
  const std::optional<ModelIdentity>& model() const { return model_; }
  // The one that is being replaced by it, as long as a worker has it.
  std::optional<ModelIdentity> replaced_model() const;

 private:
  bool may_come_back(const std::string& process, const std::string& digest) const;
  bool may_bring(const std::string& digest, const std::string& process) const;
  bool serves(const std::string& digest) const;

  std::size_t max_workers_;
  std::map<WorkerId, RegisteredWorker> workers_;
  std::optional<ModelIdentity> model_;
  // Processes that worked here, the last some thousand to leave: they may come back with another
  // model, having lost their connection while they loaded it.
  struct Left {
    std::string process;
    std::string replaced;  // its model, where that was being replaced: not to come back with
  };
  std::deque<Left> left_;
};

}  // namespace imgrec::manager
