// Which names this server answers to. A page of another site can make its own name resolve to this
// machine (DNS rebinding) and is then of the same origin as we are; only the Host header shows it.
//
// Thread rule: immutable; any thread.
// Owns: the names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace imgrec::manager {

class HostPolicy {
 public:
  // Names without ports, in any case; "*" is every name. None: every name.
  explicit HostPolicy(std::vector<std::string> names);

  // Is this value of Host, with a port or without, one of the names? Always: IP addresses and
  // localhost, which nobody can make resolve to another machine, and no Host at all (HTTP/1.0).
  bool allows(std::string_view host) const;

 private:
  std::vector<std::string> names_;
  bool any_ = false;
};

// The host of "host:port", "[v6]:port" or either without a port: lower case, without brackets and
// without a dot at its end.
std::string host_of_authority(std::string_view authority);

}  // namespace imgrec::manager
