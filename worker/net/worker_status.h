// What a worker is doing, for its operations port: a snapshot.
//
// Thread rule: plain values. Owns its strings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/messages.h"
#include "worker/core/engine.h"
#include "worker/core/worker_core.h"

namespace imgrec::worker {

struct ManagerStatus {
  std::string manager;  // "10.0.0.7:2888"
  bool connected = false;
  unsigned held = 0;  // its photos that wait for an answer
};

struct WorkerStatus {
  bool warm = false;
  bool leaving = false;
  bool reloading = false;  // another model is being loaded or warmed up
  std::vector<ManagerStatus> managers;
  WorkerCounters counters;       // since the start, of all models
  proto::Load load;              // of all models
  std::uint64_t reconnects = 0;  // registrations again after a connection had ended
  std::string model_name;        // the newest model
  std::string model_digest;
  std::size_t classes = 0;
  unsigned streams = 0;
  unsigned batch = 1;   // photos that a stream computes together, at most
  unsigned credit = 0;  // told to each manager

  bool connected() const {
    for (const ManagerStatus& each : managers) {
      if (each.connected) return true;
    }
    return false;
  }
  bool ready() const { return warm && !leaving && connected(); }
  // For people: "ready", or what is missing.
  std::string sentence() const {
    if (leaving) return "leaving";
    if (!warm) return "warming up";
    return connected() ? "ready" : "not registered with a manager";
  }
};

}  // namespace imgrec::worker
