#include "manager/core/retention.h"

#include <algorithm>

namespace imgrec::manager {
namespace {

using std::chrono::milliseconds;

// An image may outstay its age by a hundredth of it, and by a minute at most.
constexpr milliseconds kLongestPause(60'000);
constexpr milliseconds kShortestPause(100);
// A disk that failed is not asked again at once.
constexpr milliseconds kAfterFailure(10'000);
// Over the bytes, but everything is open: wait until something has settled.
constexpr milliseconds kAllOpen(1'000);

}  // namespace

bool Retention::expired(WallTime settled, WallTime now, std::uint64_t stored_bytes) const {
  if (too_much(stored_bytes)) return true;
  return options_.keep_for.count() > 0 && now - settled >= options_.keep_for;
}

bool Retention::due(TimePoint now, std::uint64_t stored_bytes) const {
  if (!enabled() || now < not_before_) return false;
  return now >= next_look_ || too_much(stored_bytes);
}

std::optional<TimePoint> Retention::next_look() const {
  if (!enabled()) return std::nullopt;
  return std::max(next_look_, not_before_);
}

void Retention::looked(TimePoint now, std::optional<std::size_t> removed,
                       std::uint64_t stored_bytes) {
  not_before_ = now;
  if (!removed) {
    next_look_ = not_before_ = now + kAfterFailure;
  } else if (*removed == kBatch) {
    next_look_ = now;  // there may be more
  } else if (too_much(stored_bytes)) {
    next_look_ = not_before_ = now + kAllOpen;
  } else {
    const bool by_age = options_.keep_for.count() > 0;
    next_look_ = now + (by_age ? std::clamp(options_.keep_for / 100, kShortestPause, kLongestPause)
                               : kLongestPause);
  }
}

}  // namespace imgrec::manager
