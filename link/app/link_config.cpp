#include "link/app/link_config.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "link/app/link_file.h"

namespace imgrec::link {
namespace {

constexpr Duration kMaxTick = std::chrono::milliseconds(10);

constexpr std::string_view kNotes =
    "NAMESPACE:INTERFACE:ADDRESS/PREFIX names an end: a network namespace (a name of `ip netns`, "
    "a\n"
    "path such as /proc/PID/ns/net, or nothing for the present one), the device to make there, "
    "and\n"
    "its address. The devices are gone when imgrec-link ends. SETTINGS is \"loss=10% "
    "rate=5mbit\".\n"
    "Times are 50ms, 0.5ms, 250us; rates 100mbit; shares 10%. docs/link-emulator.md says more.\n"
    "\n"
    "imgrec-link --control SOCKET --send \"set link both loss=5%\" changes one that runs; stats, "
    "reset,\n"
    "down LINK and up LINK are the other commands.\n"
    "\n"
    "Exit codes: 0 ended by SIGTERM or SIGINT, 1 a failure while running, 2 wrong usage or\n"
    "configuration, 3 a device, a namespace or the control socket cannot be had.\n";

Status invalid(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

bool is_interface_name(std::string_view name) {
  return !name.empty() && name.size() < IFNAMSIZ &&
         std::all_of(name.begin(), name.end(),
                     [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                     }) &&
         name != "." && name != "..";
}

Status parse_address(std::string_view text, Endpoint& end) {
  const auto slash = text.find('/');
  const std::string address(text.substr(0, slash));
  end.family = address.find(':') == address.npos ? AF_INET : AF_INET6;
  if (inet_pton(end.family, address.c_str(), end.address.data()) != 1) {
    return invalid("\"" + address + "\" is no IP address");
  }
  const std::string_view digits = slash == text.npos ? "" : text.substr(slash + 1);
  const auto [rest, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), end.prefix);
  const unsigned most = end.family == AF_INET ? 32 : 128;
  if (error != std::errc() || rest != digits.data() + digits.size() || end.prefix > most) {
    return invalid("behind the address there must be a prefix length, as in 10.0.0.1/30");
  }
  return {};
}

Status set_defaults(const LinkOptions& options, DirectionSettings& settings) {
  settings.reorder = options.reorder;
  settings.down = options.down;
  const std::pair<std::string_view, const std::string*> texts[] = {
      {"delay", &options.delay},
      {"jitter", &options.jitter},
      {"jitter-shape", &options.jitter_shape},
      {"loss", &options.loss},
      {"burst", &options.burst},
      {"burst-loss", &options.burst_loss},
      {"rate", &options.rate},
      {"queue", &options.queue}};
  for (const auto& [key, text] : texts) {
    if (Status status = set_setting(settings, key, *text); !status.ok()) {
      return invalid("--" + status.message());
    }
  }
  return {};
}

Status at(const std::string& place, const Status& status) {
  return status.ok() ? status : invalid(place + ": " + status.message());
}

Status check_link(const LinkConfig& link) {
  const std::string place = "link " + link.name;
  if (!is_link_name(link.name)) {
    return invalid("a link's name is 1 to 32 letters, digits, - and _, and not \"all\"");
  }
  if (link.mtu < 576 || link.mtu > 65535) return invalid(place + ": mtu must be 576 to 65535");
  if (Status status = at(place + ", a to b", check(link.a_to_b)); !status.ok()) return status;
  return at(place + ", b to a", check(link.b_to_a));
}

Status check_names(const std::vector<LinkConfig>& links) {
  std::set<std::string> names;
  std::set<std::pair<std::string, std::string>> devices;
  for (const LinkConfig& link : links) {
    if (!names.insert(link.name).second) return invalid("two links have the name " + link.name);
    for (const Endpoint* end : {&link.a, &link.b}) {
      if (!devices.insert({end->network_namespace, end->interface}).second) {
        return invalid("link " + link.name + ": the device " + end->interface +
                       " is wanted twice in one namespace");
      }
    }
  }
  return {};
}

Result<LinkConfig> only_link(const LinkOptions& options, LinkConfig link) {
  if (options.a.empty() || options.b.empty()) {
    return invalid("give both ends with --a and --b, or a file of links with --links");
  }
  auto a = parse_endpoint(options.a);
  if (!a.ok()) return at("--a", a.status());
  auto b = parse_endpoint(options.b);
  if (!b.ok()) return at("--b", b.status());
  link.a = *a;
  link.b = *b;
  return link;
}

void add_settings(OptionSet& set, LinkOptions& o) {
  set.add({"delay", &o.delay, "of each packet each way, besides sending", "", "TIME"});
  set.add({"jitter", &o.jitter, "by how much the delay varies, at most delay", "", "TIME"});
  set.add({"jitter-shape", &o.jitter_shape, "uniform (delay +- jitter) or normal (deviation)", "",
           "SHAPE"});
  set.add({"reorder", &o.reorder, "let packets overtake each other", "", ""});
  set.add({"loss", &o.loss, "share of the packets that are lost", "", "SHARE"});
  set.add({"burst", &o.burst, "mean packets of a bad time in which losses come; 0: single losses",
           "", "N"});
  set.add({"burst-loss", &o.burst_loss, "share lost within a bad time", "", "SHARE"});
  set.add({"rate", &o.rate, "bits a second of IP packets; 0: no limit", "", "RATE"});
  set.add({"queue", &o.queue, "how much may wait for the line: a time or a size", "", "LIMIT"});
  set.add({"down", &o.down, "begin with the link down: all is lost", "", ""});
  set.add({"a-to-b", &o.a_to_b, "what is different from a to b", "", "SETTINGS"});
  set.add({"b-to-a", &o.b_to_a, "what is different from b to a", "", "SETTINGS"});
}

}  // namespace

std::string Endpoint::namespace_path() const {
  if (network_namespace.empty() || network_namespace.find('/') != std::string::npos) {
    return network_namespace;
  }
  return "/run/netns/" + network_namespace;
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  Endpoint end;
  const auto first = text.find(':');
  const auto second = first == text.npos ? text.npos : text.find(':', first + 1);
  if (second == text.npos || text.size() > 500) {
    return invalid("\"" + std::string(text.substr(0, 100)) +
                   "\" is not NAMESPACE:INTERFACE:ADDRESS/PREFIX, as in site1:eth1:10.0.0.1/30");
  }
  end.network_namespace = std::string(text.substr(0, first));
  end.interface = std::string(text.substr(first + 1, second - first - 1));
  if (!is_interface_name(end.interface)) {
    return invalid("\"" + end.interface +
                   "\" is no interface name: 1 to 15 letters, digits, -, _ and .");
  }
  if (Status status = parse_address(text.substr(second + 1), end); !status.ok()) return status;
  return end;
}

OptionSet link_option_set(LinkOptions& o) {
  OptionSet set("imgrec-link",
                "Emulates network links with delay, loss and rate between network namespaces.",
                "IMGREC_LINK");
  set.add({"a", &o.a, "one end", "", "END"});
  set.add({"b", &o.b, "the other end", "", "END"});
  set.add({"name", &o.name, "of the link, for commands and statistics", "", "NAME"});
  add_settings(set, o);
  set.add({"links", &o.links_file, "several links from a YAML file; the flags are its defaults", "",
           "FILE"});
  set.add({"seed", &o.seed, "of all chance: the same packets are lost again", "", ""});
  set.add({"mtu", &o.mtu, "largest packet", "", "BYTES"});
  set.add({"max-packets", &o.max_packets, "under way in one direction at most", "", "", [&o] {
             const bool good = o.max_packets >= 16 && o.max_packets <= 4'000'000;
             return good ? Status() : invalid("max-packets must be 16 to 4000000");
           }});
  set.add({"control", &o.control, "a Unix socket that takes commands", "", "SOCKET"});
  set.add(
      {"send", &o.send, "send a command to --control, print the answer, and leave", "", "COMMAND"});
  set.add({"stats", &o.stats_file, "write statistics there at the end (JSON; -: to stdout)", "",
           "FILE"});
  set.add({"stats-interval", &o.stats_interval, "and this often; 0: at the end alone", "", ""});
  set.add({"tick", &o.tick, "look at packets this often alone: less CPU, as much less exact", "",
           "TIME", [&o] {
             Duration tick{0};
             const Status status = set_time(tick, o.tick);
             return tick <= kMaxTick ? status : invalid("a tick must be 10ms at most");
           }});
  set.add(
      {"realtime", &o.realtime, "run before other programs (SCHED_FIFO) where allowed", "", ""});
  set.add({"log.level", &o.log_level, "debug, info, warn, error", "log-level", "LEVEL"});
  set.describe("", std::string(kNotes));
  return set;
}

Result<std::vector<LinkConfig>> links_of(const LinkOptions& options) {
  LinkConfig defaults;
  defaults.name = options.name;
  defaults.seed = options.seed;
  defaults.mtu = options.mtu;
  if (Status status = set_defaults(options, defaults.a_to_b); !status.ok()) return status;
  defaults.b_to_a = defaults.a_to_b;
  if (Status s = at("--a-to-b", set_settings(defaults.a_to_b, options.a_to_b)); !s.ok()) return s;
  if (Status s = at("--b-to-a", set_settings(defaults.b_to_a, options.b_to_a)); !s.ok()) return s;

  std::vector<LinkConfig> links;
  if (options.links_file.empty()) {
    auto link = only_link(options, defaults);
    if (!link.ok()) return link.status();
    links.push_back(*link);
  } else if (!options.a.empty() || !options.b.empty()) {
    return invalid("--links and --a or --b cannot be given together");
  } else {
    auto read = read_link_file(options.links_file, defaults);
    if (!read.ok()) return read.status();
    links = *std::move(read);
  }
  for (const LinkConfig& link : links) {
    if (Status status = check_link(link); !status.ok()) return status;
  }
  if (Status status = check_names(links); !status.ok()) return status;
  return links;
}

}  // namespace imgrec::link
