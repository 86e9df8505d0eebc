#include "client/core/server_url.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace imgrec::client {
namespace {

constexpr std::size_t kMaxLength = 2000;

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

bool is_address_character(char c) {  // of IPv6, with a zone
  return is_host_character(c) || c == ':' || c == '%';
}

// Printable ASCII: nothing that could end the request line or that would need escaping.
bool is_path_character(char c) { return c > ' ' && c < 0x7F && c != '?' && c != '#' && c != '"'; }

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

Status wrong(std::string_view url, const std::string& why) {
  return {StatusCode::kInvalidArgument,
          "\"" + std::string(url.substr(0, 200)) + "\" " + why +
              "; give the server as http://HOST:PORT, such as http://127.0.0.1:8080"};
}

}  // namespace

std::string ServerUrl::authority() const {
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? "443" : "80") ? shown : shown + ":" + port;
}

std::string ServerUrl::text() const {
  return std::string(tls ? "https://" : "http://") + authority() + prefix;
}

Result<ServerUrl> parse_server_url(std::string_view text) {
  ServerUrl url;
  std::string_view rest = text;
  if (text.size() > kMaxLength) return wrong(text, "is longer than any address");
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
    url.tls = true;
    url.port = "443";
  } else {
    return wrong(text, "does not begin with http:// or https://");
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = rest.substr(slash);
  if (authority.find('@') != authority.npos) {
    return wrong(text, "holds a user name, which the server does not take (IMGREC_TOKEN it does)");
  }
  bool good = true;
  if (authority.starts_with("[")) {
    const std::size_t end = std::min(authority.find(']'), authority.size());
    url.host = std::string(authority.substr(1, end - 1));
    good = end < authority.size() &&
           std::all_of(url.host.begin(), url.host.end(), is_address_character);
    authority.remove_prefix(std::min(end + 1, authority.size()));
  } else {
    const std::size_t end = std::min(authority.find(':'), authority.size());
    url.host = std::string(authority.substr(0, end));
    good = std::all_of(url.host.begin(), url.host.end(), is_host_character);
    authority.remove_prefix(end);
  }
  if (!good || url.host.empty()) return wrong(text, "names no host");
  if (!authority.empty()) {
    if (authority[0] != ':' || !is_port(authority.substr(1))) {
      return wrong(text, "has a port that is no number from 1 to 65535");
    }
    url.port = std::string(authority.substr(1));
  }
  while (path.ends_with("/")) path.remove_suffix(1);
  if (!std::all_of(path.begin(), path.end(), is_path_character)) {
    return wrong(text, "has a path with characters that do not belong there");
  }
  url.prefix = std::string(path);
  return url;
}

}  // namespace imgrec::client
