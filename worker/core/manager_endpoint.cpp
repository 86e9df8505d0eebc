#include "worker/core/manager_endpoint.h"

#include <algorithm>
#include <charconv>

namespace imgrec::worker {
namespace {

Status bad(std::string_view text, std::string_view what) {
  return {StatusCode::kInvalidArgument, "manager \"" + std::string(text) + "\" " +
                                            std::string(what) +
                                            "; give HOST:PORT, for instance 127.0.0.1:2888"};
}

bool is_port(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= 65535;
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_' || c == ':' || c == '%';  // the last two: IPv6 and its zone
}

}  // namespace

std::string ManagerEndpoint::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + port;
}

bool ManagerEndpoint::is_address() const {
  if (host.find(':') != std::string::npos) return true;
  std::string_view rest = host;
  for (int part = 0; part < 4; ++part) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc() || value > 255) return false;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (rest.empty()) return part == 3;
    if (rest.front() != '.') return false;
    rest.remove_prefix(1);
  }
  return false;
}

Result<ManagerEndpoint> parse_manager_endpoint(std::string_view text) {
  std::string_view host = text;
  std::string_view port = kDefaultWorkerPort;
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return bad(text, "has no ] after its IPv6 address");
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty()) {
      if (rest.front() != ':') return bad(text, "has something other than :PORT after the ]");
      port = rest.substr(1);
    }
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    if (text.find(':', colon + 1) != std::string_view::npos) {
      return bad(text, "has more than one colon (an IPv6 address needs brackets)");
    }
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (host.empty()) return bad(text, "names no host");
  if (host.size() > 255 || !std::all_of(host.begin(), host.end(), is_host_character)) {
    return bad(text, "has characters that no host name has");
  }
  if (!is_port(port)) return bad(text, "has a port that is not 1 to 65535");
  return ManagerEndpoint{std::string(host), std::string(port)};
}

}  // namespace imgrec::worker
