#include "manager/core/admission.h"

#include <algorithm>
#include <cmath>

namespace imgrec::manager {
namespace {

constexpr std::chrono::seconds kRateWindow(10);

std::uint64_t less(std::uint64_t from, std::uint64_t what) { return from - std::min(from, what); }

// `percent` of `room`, without overflow.
std::uint64_t share(std::uint64_t room, unsigned percent) {
  return room / 100 * percent + room % 100 * percent / 100;
}

// How much of `wanted` finds no place when `used` of `limit` is taken.
std::uint64_t missing(std::uint64_t used, std::uint64_t wanted, std::uint64_t limit) {
  return less(wanted, less(limit, used));
}

}  // namespace

// What one session may hold in all, given what the others hold.
Admission::Load Admission::room_for(const Load& session) const {
  const std::uint64_t images = less(options_.max_images, open_.images - session.images);
  const std::uint64_t bytes = less(options_.max_bytes, open_.bytes - session.bytes);
  const unsigned percent = options_.session_share_percent;
  // A queue of very few places still has one for everybody.
  return {std::max<std::uint64_t>(share(images, percent), images > 0 ? 1 : 0),
          share(bytes, percent)};
}

Admission::Load Admission::most_for_one() const {
  const unsigned percent = options_.session_share_percent;
  return {
      std::max<std::uint64_t>(share(options_.max_images, percent), options_.max_images > 0 ? 1 : 0),
      std::min(share(options_.max_bytes, percent), options_.max_unstored)};
}

Admission::Decision Admission::check(const SessionId& session, Load upload, TimePoint now) const {
  const Load most = most_for_one();
  if (upload.images > most.images || upload.bytes > most.bytes) {
    return {Verdict::kTooLarge, std::chrono::seconds(0)};
  }
  const auto images = missing(open_.images, upload.images, options_.max_images);
  const auto bytes = missing(open_.bytes, upload.bytes, options_.max_bytes);
  if (images > 0 || bytes > 0) {
    return {Verdict::kQueueFull, wait_for(images, bytes, 1, now)};
  }
  const auto found = by_session_.find(session);
  const Load mine = found == by_session_.end() ? Load{} : found->second;
  const Load room = room_for(mine);
  const auto own_images = missing(mine.images, upload.images, room.images);
  const auto own_bytes = missing(mine.bytes, upload.bytes, room.bytes);
  if (own_images > 0 || own_bytes > 0) {
    // Sessions take turns at the workers, so this one's settle at its part of the rate.
    return {Verdict::kSessionFull, wait_for(own_images, own_bytes, by_session_.size(), now)};
  }
  if (missing(unstored_, upload.bytes, options_.max_unstored) > 0) {
    return {Verdict::kDiskBusy, kShortestWait};
  }
  return {};
}

Admission::Decision Admission::request(const SessionId& session, Load upload, TimePoint now) {
  const Decision decision = check(session, upload, now);
  if (decision.verdict == Verdict::kAdmitted) {
    resumed(session, upload);
    unstored_ += upload.bytes;
  }
  return decision;
}

void Admission::given_up(const SessionId& session, Load upload) {
  stored(upload);
  release(session, upload);
}

void Admission::stored(Load upload) { unstored_ = less(unstored_, upload.bytes); }

void Admission::resumed(const SessionId& session, Load images) {
  if (images.images == 0) return;
  Load& mine = by_session_[session];
  mine.images += images.images;
  mine.bytes += images.bytes;
  open_.images += images.images;
  open_.bytes += images.bytes;
}

void Admission::settled(const SessionId& session, std::uint64_t bytes, TimePoint now) {
  rate_.add(now, bytes);
  release(session, {1, bytes});
}

void Admission::release(const SessionId& session, Load load) {
  const auto found = by_session_.find(session);
  if (found == by_session_.end()) return;
  Load& mine = found->second;
  mine.images = less(mine.images, load.images);
  mine.bytes = less(mine.bytes, load.bytes);
  open_.images = less(open_.images, load.images);
  open_.bytes = less(open_.bytes, load.bytes);
  if (mine.images == 0) by_session_.erase(found);
}

// Until so many images and bytes have settled at the rate of the last seconds, of which `sharing`
// sessions have an equal part each.
std::chrono::seconds Admission::wait_for(std::uint64_t images, std::uint64_t bytes,
                                         std::size_t sharing, TimePoint now) const {
  const RateMeter::Rate rate = rate_.over(kRateWindow, now);
  if (rate.images_per_s <= 0) return kWaitWithoutRate;
  const double bytes_per_s = rate.bits_per_s / 8;
  double seconds = static_cast<double>(images) / rate.images_per_s;
  if (bytes_per_s > 0) seconds = std::max(seconds, static_cast<double>(bytes) / bytes_per_s);
  seconds = std::ceil(seconds * static_cast<double>(std::max<std::size_t>(sharing, 1)));
  const double longest = static_cast<double>(kLongestWait.count());
  return std::max(kShortestWait,
                  std::chrono::seconds(static_cast<std::int64_t>(std::min(seconds, longest))));
}

}  // namespace imgrec::manager
