#include "manager/http/host_policy.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>

#include "manager/http/http_text.h"

namespace imgrec::manager {
namespace {

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

}  // namespace

std::string host_of_authority(std::string_view authority) {
  std::string_view host = authority;
  if (!host.empty() && host.front() == '[') {
    host = host.substr(1, host.find(']') == host.npos ? host.npos : host.find(']') - 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  return to_lower(host);
}

HostPolicy::HostPolicy(std::vector<std::string> names) : names_(std::move(names)) {
  for (std::string& name : names_) {
    any_ |= name == "*";
    name = host_of_authority(name);
  }
  any_ |= names_.empty();
}

bool HostPolicy::allows(std::string_view authority) const {
  if (any_ || authority.empty()) return true;
  const std::string host = host_of_authority(authority);
  return host == "localhost" || host.ends_with(".localhost") || is_address(host) ||
         std::find(names_.begin(), names_.end(), host) != names_.end();
}

}  // namespace imgrec::manager
