#include "manager/core/rate_limiter.h"

#include <algorithm>

namespace imgrec::manager {
namespace {

using std::chrono::nanoseconds;

// The first four groups of an IPv6 address, with "::" written out as far as it matters here.
std::string network_of(std::string_view address) {
  constexpr int kGroups = 8;
  constexpr int kNetworkGroups = 4;
  const std::size_t gap = address.find("::");
  const auto count = [](std::string_view part) {
    return part.empty() ? 0 : 1 + static_cast<int>(std::count(part.begin(), part.end(), ':'));
  };
  const std::string_view head = address.substr(0, gap);
  const std::string_view tail =
      gap == std::string_view::npos ? std::string_view() : address.substr(gap + 2);
  std::string groups(head);
  const int zeros = std::max(0, kGroups - count(head) - count(tail));
  if (gap != std::string_view::npos) {
    for (int i = 0; i < zeros; ++i) groups += groups.empty() ? "0" : ":0";
    if (!tail.empty()) groups.append(":").append(tail);
  }
  std::size_t end = 0;
  for (int i = 0; i < kNetworkGroups && end != std::string::npos; ++i) {
    end = groups.find(':', end == 0 ? 0 : end + 1);
  }
  return groups.substr(0, end) + "::/64";
}

}  // namespace

RateLimiter::RateLimiter(double per_second, unsigned burst)
    : interval_(per_second > 0 ? static_cast<nanoseconds::rep>(1e9 / per_second) : 0),
      tolerance_(interval_ * (std::max(burst, 1u) - 1)) {}

std::optional<nanoseconds> RateLimiter::refuse(std::string_view client, TimePoint now) {
  if (interval_.count() == 0) return std::nullopt;
  std::string key(client);
  auto found = full_again_.find(key);
  const TimePoint full = found == full_again_.end() ? now : std::max(found->second, now);
  if (full - now > tolerance_) return full - now - tolerance_;
  if (found == full_again_.end()) {
    if (full_again_.size() >= kMaxClients) make_room(now);
    found = full_again_.emplace(std::move(key), full).first;
  }
  found->second = full + interval_;
  return std::nullopt;
}

// Those whose burst is all there again are as if they had never been here. Where all are busy, some
// of them are forgiven: a bounded table serves everybody rather than nobody.
void RateLimiter::make_room(TimePoint now) {
  std::erase_if(full_again_, [now](const auto& entry) { return entry.second <= now; });
  while (full_again_.size() > kMaxClients / 2) full_again_.erase(full_again_.begin());
}

std::string rate_key(std::string_view address) {
  constexpr std::string_view kMapped = "::ffff:";
  if (address.starts_with(kMapped) && address.find('.') != std::string_view::npos) {
    return std::string(address.substr(kMapped.size()));
  }
  return address.find(':') == std::string_view::npos ? std::string(address) : network_of(address);
}

}  // namespace imgrec::manager
