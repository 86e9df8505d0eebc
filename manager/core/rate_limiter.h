// How many requests a client may make: so many a second, and a burst of them at once. The generic
// cell rate algorithm (ITU-T I.371): of each client one time is kept, the one at which its burst is
// all there again.
//
// Thread rule: one thread at a time; time is an argument.
// Owns: a time for each client that was here of late, bounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace imgrec::manager {

class RateLimiter {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kMaxClients = 100'000;

  // `per_second`: 0 lets everything pass. `burst`: at least 1.
  RateLimiter(double per_second, unsigned burst);

  // nullopt: the request may pass, and is counted. Else it may not, and the next one may after so
  // long. A client whose entry had to make room begins anew.
  std::optional<std::chrono::nanoseconds> refuse(std::string_view client, TimePoint now);

  std::size_t clients() const { return full_again_.size(); }

 private:
  void make_room(TimePoint now);

  const std::chrono::nanoseconds interval_;   // between two requests at the rate
  const std::chrono::nanoseconds tolerance_;  // how far ahead of the rate a burst may run
  std::unordered_map<std::string, TimePoint> full_again_;
};

// Whom a rate is kept for: an IPv4 address, or the /64 network of an IPv6 one, of which a client
// has the whole.
std::string rate_key(std::string_view address);

}  // namespace imgrec::manager
