// The worker's configuration: a plain struct with defaults, read once at start.
//
// Thread rule: plain value, const after parsing. Owns its strings.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/options.h"
#include "proto/status.h"
#include "worker/net/worker_runner.h"

namespace imgrec::worker {

struct WorkerConfig {
  std::vector<std::string> managers{"127.0.0.1:2888"};
  std::chrono::milliseconds lookup{10'000};  // how often managers' names are looked up
  std::string name;                          // empty: HOSTNAME-PID
  unsigned streams = 1;                      // threads that compute images
  std::string congestion_control = "auto";
  unsigned credit = 0;              // images held at once, per manager, at most; 0: chosen
  ByteSize max_held{256ull << 20};  // bytes of images held at once, for all managers together
  double fail_probability = 0;
  unsigned cached_answers = 4096;
  std::chrono::milliseconds drain{10'000};
  std::string token_file;  // join token; at most one of the two
  std::string token;
  bool tls = false;
  std::string tls_ca;  // PEM files
  std::string tls_cert;
  std::string tls_key;
  std::string tls_server_name;  // empty: the manager's host as given
  std::string ops_listen;       // ADDR:PORT; empty: no operations port
  std::string log_level = "info";

  // Of the engine with a model only.
  std::string model_dir;  // empty: see choose_model
  std::uint64_t max_pixels = 100'000'000;
  std::string precision = "fp32";  // a name of worker/graph/formats.h
  unsigned batch = 0;              // images that a stream computes together, at most; 0: measured
};

// Adds the options of every worker; their targets are in `config`, which must outlive `set`.
void add_worker_options(OptionSet& set, WorkerConfig& config);

// Adds those of the engine with a model: --model, --max-pixels, --precision, --batch.
void add_model_options(OptionSet& set, WorkerConfig& config);

// What the runner needs. An error where a file of the join token or of TLS cannot be used.
// REQUIRES: the options were parsed, which checked them.
Result<WorkerRunnerOptions> runner_options(const WorkerConfig& config);

}  // namespace imgrec::worker
