// When what was uploaded is made durable on the disk; docs/durability.md says what each promises
// and costs.
//
// Thread rule: plain value. Owns nothing.
#pragma once

#include <optional>
#include <string_view>

namespace imgrec::manager {

enum class SyncPolicy {
  kAlways,    // before the 202: survives a crash of the machine, too
  kInterval,  // soon after the 202: a crash of the machine may cost the last moments
  kNone,      // when the kernel pleases: the same, for half a minute and more
};

inline std::string_view to_string(SyncPolicy policy) {
  switch (policy) {
    case SyncPolicy::kAlways:
      return "always";
    case SyncPolicy::kInterval:
      return "interval";
    case SyncPolicy::kNone:
      return "none";
  }
  return "unknown";
}

inline std::optional<SyncPolicy> parse_sync_policy(std::string_view text) {
  for (const auto policy : {SyncPolicy::kAlways, SyncPolicy::kInterval, SyncPolicy::kNone}) {
    if (text == to_string(policy)) return policy;
  }
  return std::nullopt;
}

}  // namespace imgrec::manager
