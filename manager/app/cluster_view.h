// A snapshot of the cluster, for the cluster call, the page and the metrics.
//
// Thread rule: plain value, made on the control thread, read anywhere.
// Owns: everything in it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "manager/core/cluster_history.h"
#include "manager/core/latency_meter.h"
#include "manager/core/rate_meter.h"
#include "manager/core/scheduler.h"
#include "manager/core/worker_registry.h"
#include "manager/net/link_ledger.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

struct WorkerSnapshot {
  std::uint64_t id = 0;
  std::string name;
  std::string address;
  ModelIdentity model;
  bool draining = false;
  bool ejected = false;  // left out for a while: it kept failing
  unsigned credit = 0;
  unsigned window = 0;  // how much of the credit is used at present
  unsigned in_flight = 0;
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  double images_per_s = 0;                       // over the last 10 s
  std::chrono::microseconds service_time{};      // smoothed, per image; 0 until measured
  std::optional<std::chrono::microseconds> rtt;  // of PING and PONG; waits behind photos
  std::optional<LinkFigures> link;               // the kernel's figures, a second old at most
  std::chrono::seconds connected{};
};

// What a worker needs to know to join.
struct JoinInfo {
  std::uint16_t port = 0;
  bool tls = false;
  bool token = false;
};

struct ClusterView {
  std::vector<WorkerSnapshot> workers;
  std::optional<ModelIdentity> model;
  std::size_t queue_depth = 0;  // jobs without an attempt out
  std::size_t in_flight = 0;    // jobs with one
  Totals totals;
  SchedulerCounters attempts;
  std::size_t sockets = 0;
  RateMeter::Rate last_10s;
  RateMeter::Rate last_minute;
  RateMeter::Rate overall;
  LatencySummary latency;                             // of the last minute
  std::array<LatencyMeter::Sum, kPhases> phase_sums;  // by Phase, since the start
  WireFigures wire;                                   // all workers' connections, since the start
  std::chrono::seconds uptime{};
  JoinInfo join;
  std::optional<ClusterSample> newest;
  std::optional<std::vector<ClusterSample>> history;  // where it was asked for; oldest first
};

}  // namespace imgrec::manager
