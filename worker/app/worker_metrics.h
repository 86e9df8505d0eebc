// The worker's Prometheus metrics, as docs/metrics.md lists them.
//
// Thread rule: a pure function. Owns nothing.
#pragma once

#include <string>

#include "worker/net/worker_status.h"

namespace imgrec::worker {

// The text exposition format, version 0.0.4.
std::string worker_metrics_text(const WorkerStatus& status);

}  // namespace imgrec::worker
