// The part of a worker's main() that does not depend on its engine.
//
// Thread rule: the main thread, before others are started.
// Owns: nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/options.h"
#include "proto/status.h"
#include "worker/app/worker_config.h"
#include "worker/core/engine.h"

namespace imgrec::worker {

// Parses, answers --help and its like, starts logging, opens the engine, works until told to stop.
// Returns the exit code: 0 left in good order, 1 failed while running, 2 wrong usage, configuration
// or model, 3 every manager refuses this worker.
int run_worker(const std::string& program, OptionSet& options, const WorkerConfig& config, int argc,
               char** argv, const std::function<Result<std::unique_ptr<Engine>>()>& open_engine);

}  // namespace imgrec::worker
