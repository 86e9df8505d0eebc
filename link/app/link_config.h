// The configuration of imgrec-link: a plain struct, read once at start from flags, variables and a
// file of links.
//
// Thread rule: plain value, const after reading. Owns its texts.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/options.h"
#include "link/core/settings.h"
#include "proto/status.h"

namespace imgrec::link {

// Where one end of a link is: "NAMESPACE:INTERFACE:ADDRESS/PREFIX". NAMESPACE is a name of `ip
// netns`, or a path (/proc/PID/ns/net), or empty for the one that imgrec-link runs in.
struct Endpoint {
  std::string network_namespace;
  std::string interface;
  int family = 0;                          // AF_INET or AF_INET6
  std::array<std::uint8_t, 16> address{};  // the first 4 for AF_INET
  unsigned prefix = 0;

  std::string namespace_path() const;  // empty: our own
};

Result<Endpoint> parse_endpoint(std::string_view text);

struct LinkConfig {
  std::string name = "link";
  Endpoint a;
  Endpoint b;
  DirectionSettings a_to_b;
  DirectionSettings b_to_a;
  std::uint64_t seed = 1;
  unsigned mtu = 1500;
};

// What flags, variables and --config say, as text where it is more than a number.
struct LinkOptions {
  std::string links_file;
  std::string name = "link", a, b;
  std::string delay = "0", jitter = "0", jitter_shape = "uniform", loss = "0", burst = "0";
  std::string burst_loss = "100%", rate = "0", queue = "100ms";
  bool reorder = false;
  bool down = false;
  std::string a_to_b, b_to_a;
  std::uint64_t seed = 1;
  unsigned mtu = 1500;
  unsigned max_packets = 65536;
  std::string control;
  std::string send;
  std::string stats_file;
  std::chrono::milliseconds stats_interval{0};
  std::string tick = "0";
  bool realtime = true;
  std::string log_level = "info";
};

// Their targets are in `options`, which must outlive the set.
OptionSet link_option_set(LinkOptions& options);

// The links: the one of --a and --b, or those of --links, for which the flags are the defaults.
Result<std::vector<LinkConfig>> links_of(const LinkOptions& options);

}  // namespace imgrec::link
