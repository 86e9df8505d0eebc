// The configuration of `imgrec classify`: a plain struct with defaults, read once at start.
//
// Thread rule: plain value, const after parsing. Owns its strings.
#pragma once

#include <chrono>
#include <string>

#include "client/net/server_stream.h"
#include "client/text/result_format.h"
#include "common/options.h"
#include "proto/status.h"

namespace imgrec::client {

struct ClientConfig {
  std::string server = "http://127.0.0.1:8080";
  std::string session;     // empty: a random one for this run
  std::string token_file;  // at most one of the two
  std::string token;
  std::string authorities;  // PEM; empty: the system's
  unsigned top = 0;         // 0: one, or five in JSON
  unsigned parallel = 8;
  std::chrono::milliseconds timeout{120'000};
  bool json = false;
  bool json_lines = false;
  bool csv = false;
  bool remove = false;
  bool quiet = false;

  OutputKind output() const;
  unsigned classes() const;  // what `top` comes to
};

// Their targets are in `config`, which must outlive the set.
OptionSet client_options(ClientConfig& config);

// Where and how to call. An error where a file of the token or of authorities cannot be used.
// REQUIRES: the options were parsed, which checked them.
Result<ServerAccess> server_access(const ClientConfig& config);

}  // namespace imgrec::client
