// What a worker's parts under worker/net are told, read from the configuration by worker/app.
//
// Thread rule: plain values; the functions are called on the network thread.
// Owns: its strings and the functions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "worker/core/manager_directory.h"
#include "worker/core/manager_endpoint.h"
#include "worker/net/manager_link.h"
#include "worker/net/worker_status.h"

namespace imgrec::worker {

struct WorkerRunnerOptions {
  std::vector<ManagerEndpoint> managers;  // names among them are looked up, again and again
  ManagerDirectoryOptions directory;      // its `random` is this one's
  std::string name;
  unsigned streams = 1;
  unsigned credit = 2;                          // see WorkerCoreOptions
  std::uint64_t max_held_bytes = 256ull << 20;  // of images, all managers together
  double fail_probability = 0;
  std::chrono::milliseconds drain_timeout{10'000};
  std::size_t cached_answers = 4096;
  ManagerLinkOptions link;
  std::string ops_listen;  // ADDR:PORT; empty: no operations port
  // For the operations port; needed where there is one. Called on the network thread.
  std::function<std::string(const WorkerStatus&)> metrics_text;
  // SIGTERM, SIGINT, and SIGHUP where there is something to reload. The first two must be
  // unblocked; SIGHUP is unblocked by the runner, so that one that came earlier may have waited.
  bool handle_signals = false;
  std::function<double()> random;  // uniform in [0, 1); empty: a generator seeded by the system
};

}  // namespace imgrec::worker
