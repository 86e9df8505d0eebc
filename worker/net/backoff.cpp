#include "worker/net/backoff.h"

#include <algorithm>
#include <utility>

namespace imgrec::worker {

Backoff::Backoff(BackoffOptions options, std::function<double()> random)
    : options_(options),
      random_(std::move(random)),
      ceiling_(std::min(options.base, options.max)) {}

std::chrono::milliseconds Backoff::next(TimePoint now) {
  if (registered_since_ && now - *registered_since_ >= options_.stable_after) {
    ceiling_ = std::min(options_.base, options_.max);
  }
  registered_since_.reset();
  const double wait = random_() * static_cast<double>(ceiling_.count());
  ceiling_ = std::min(ceiling_ * 2, options_.max);
  return std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(wait));
}

}  // namespace imgrec::worker
