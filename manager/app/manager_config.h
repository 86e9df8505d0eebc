// The manager's configuration: a plain struct with defaults, read once at start.
//
// Thread rule: plain value, const after parsing. Owns its strings.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/options.h"

namespace imgrec::manager {

struct ManagerConfig {
  std::string http_listen = "127.0.0.1";
  std::uint16_t http_port = 8080;
  unsigned http_threads = 2;
  unsigned max_connections = 4096;
  unsigned max_connections_per_address = 1024;  // 0: no limit
  ByteSize max_buffered{1ull << 30};
  std::vector<std::string> allowed_hosts;
  std::string http_token_file;  // access token; at most one of the two
  std::string http_token;
  std::vector<std::string> cors_origins;
  unsigned rate_limit = 0;  // requests a second of one address; 0: any
  unsigned rate_burst = 100;
  ByteSize max_image{20ull << 20};
  ByteSize max_request{64ull << 20};
  std::uint64_t max_pixels = 100'000'000;
  std::chrono::milliseconds http_idle{60'000};
  std::uint64_t max_open_images = 100'000;
  ByteSize max_open_bytes{16ull << 30};
  unsigned session_share = 50;  // percent
  std::string frontend_dir;     // empty: beside the binary or in the source tree
  std::string chart_js = "/usr/share/javascript/chart.js/chart.min.js";  // empty: no charts
  std::string worker_listen = "127.0.0.1";
  std::uint16_t worker_port = 2888;
  unsigned max_workers = 4096;
  std::string worker_token_file;  // join token; at most one of the two
  std::string worker_token;
  std::string worker_tls_cert;  // PEM files; with a certificate the worker port speaks TLS
  std::string worker_tls_key;
  std::string worker_tls_client_ca;
  std::string congestion_control = "auto";
  unsigned lanes = 12;
  std::chrono::milliseconds heartbeat{1'000};
  std::chrono::milliseconds dead_after{10'000};
  std::chrono::milliseconds first_timeout{20'000};
  std::chrono::milliseconds min_timeout{2'000};
  std::chrono::milliseconds max_timeout{120'000};
  unsigned quarantine_after = 3;
  unsigned min_window = 0;
  unsigned hedge_percent = 5;
  std::string data_dir = "data";
  ByteSize cache{256ull << 20};
  std::string sync = "always";
  std::chrono::milliseconds sync_interval{1'000};
  ByteSize max_unstored{512ull << 20};
  std::chrono::milliseconds keep_for{0};
  ByteSize keep_bytes{0};
  std::chrono::milliseconds drain{5'000};
  std::string ops_listen;  // ADDR:PORT; empty: no operations port
  std::string log_level = "info";
};

// The table of options whose targets are in `config`, which must outlive it.
OptionSet manager_options(ManagerConfig& config);

}  // namespace imgrec::manager
