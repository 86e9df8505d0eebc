#include "manager/core/rate_meter.h"

#include <algorithm>

namespace imgrec::manager {
namespace {

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

std::int64_t whole_seconds(Duration d) {
  return std::chrono::duration_cast<std::chrono::seconds>(d).count();
}

// A rate over less than this would be noise.
constexpr double kShortest = 0.1;

}  // namespace

void RateMeter::add(TimePoint now, std::uint64_t bytes) {
  const std::int64_t second = whole_seconds(now - start_);
  Bucket& bucket = buckets_[static_cast<std::size_t>(second % kBuckets)];
  if (bucket.second != second) bucket = Bucket{second, 0, 0};
  ++bucket.images;
  bucket.bytes += bytes;
  ++images_;
  bytes_ += bytes;
}

RateMeter::Rate RateMeter::over(std::chrono::seconds window, TimePoint now) const {
  const double elapsed = seconds(now - start_);
  const std::int64_t current = whole_seconds(now - start_);
  const std::int64_t first = current - window.count() + 1;
  std::uint64_t images = 0;
  std::uint64_t bytes = 0;
  for (const Bucket& bucket : buckets_) {
    if (bucket.second < std::max<std::int64_t>(first, 0) || bucket.second > current) continue;
    images += bucket.images;
    bytes += bucket.bytes;
  }
  // The second that has begun counts only as far as it has gone.
  const double covered = elapsed - static_cast<double>(std::max<std::int64_t>(first, 0));
  const double span = std::max(covered, kShortest);
  return {static_cast<double>(images) / span, static_cast<double>(bytes) * 8 / span};
}

RateMeter::Rate RateMeter::overall(TimePoint now) const {
  const double span = std::max(seconds(now - start_), kShortest);
  return {static_cast<double>(images_) / span, static_cast<double>(bytes_) * 8 / span};
}

}  // namespace imgrec::manager
