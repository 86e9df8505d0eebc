// The part of a worker's main() that does not depend on its engine.
//
// Thread rule: the main thread, before others are started.
// Owns: nothing.
#pragma once

#include <string>

#include "common/options.h"
#include "proto/status.h"
#include "worker/app/worker_config.h"
#include "worker/net/worker_runner.h"

namespace imgrec::worker {

// Parses, answers --help and its like, starts logging, opens the engine, works until told to stop.
// SIGHUP opens the engine again: see EngineReopener for what `open_engine` is given and gives back;
// at the start it is given "".
// Returns the exit code: 0 left in good order, 1 failed while running, 2 wrong usage, configuration
// or model, 3 every manager refuses this worker or the operations port cannot be had.
int run_worker(const std::string& program, OptionSet& options, const WorkerConfig& config, int argc,
               char** argv, const EngineReopener& open_engine);

}  // namespace imgrec::worker
