// Where a manager is: host name or address, and port.
//
// Thread rule: plain value; pure function. Owns its strings.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "proto/status.h"

namespace imgrec::worker {

struct ManagerEndpoint {
  std::string host;
  std::string port;  // decimal
  // "HOST:PORT", IPv6 addresses in brackets.
  std::string text() const;
  // The host is an address: four decimal numbers, or IPv6. Else a name, which is looked up.
  bool is_address() const;
  friend auto operator<=>(const ManagerEndpoint&, const ManagerEndpoint&) = default;
};

inline constexpr std::string_view kDefaultWorkerPort = "2888";

// Reads "HOST:PORT", "[IPV6]:PORT", or either without a port (then 2888).
Result<ManagerEndpoint> parse_manager_endpoint(std::string_view text);

}  // namespace imgrec::worker
