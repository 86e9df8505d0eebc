// Which uploads are taken while how much is open: a queue bounded by count and by bytes, a share
// of it for each session, and how long a refused client should wait. Pure: time in, decisions out.
//
// Room is reserved when an upload is admitted and given back when it could not be stored or its
// images have settled, so that uploads at the same time never overshoot a bound.
//
// Thread rule: confined to one thread, or behind the caller's lock.
// Owns: the counts, of all sessions that have something open.
#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_map>

#include "manager/core/rate_meter.h"
#include "manager/core/scheduler.h"
#include "proto/ids.h"

namespace imgrec::manager {

struct AdmissionOptions {
  std::uint64_t max_images = 100'000;         // accepted and unsettled
  std::uint64_t max_bytes = 16ull << 30;      // of those
  std::uint64_t max_unstored = 512ull << 20;  // bytes in memory that wait for the disk
  // Of the room that the other sessions leave, how much one session may fill. With 50, one alone
  // gets half of the queue, two that take what they can get a third each, n of them 1/(n+1): there
  // is always room for one more.
  unsigned session_share_percent = 50;
};

class Admission {
 public:
  struct Load {  // one upload, or what is open of many
    std::uint64_t images = 0;
    std::uint64_t bytes = 0;
  };
  enum class Verdict {
    kAdmitted,
    kQueueFull,    // try again when some have settled
    kSessionFull,  // the same, but of this session
    kDiskBusy,     // try again when what waits for the disk is stored
    kTooLarge,     // more than there will ever be room for
  };
  struct Decision {
    Verdict verdict = Verdict::kAdmitted;
    std::chrono::seconds retry_after{};  // 0 where trying again is no use, or not needed
  };
  // Waits told to clients. Where nothing settles there is no rate to reckon with.
  static constexpr std::chrono::seconds kShortestWait{1};
  static constexpr std::chrono::seconds kLongestWait{120};
  static constexpr std::chrono::seconds kWaitWithoutRate{30};

  Admission(AdmissionOptions options, TimePoint start) : options_(options), rate_(start) {}

  // What request() would say, without reserving.
  [[nodiscard]] Decision check(const SessionId& session, Load upload, TimePoint now) const;
  // Where it is admitted, `upload` is reserved until stored() or given_up().
  [[nodiscard]] Decision request(const SessionId& session, Load upload, TimePoint now);

  void given_up(const SessionId& session, Load upload);  // it could not be stored
  void stored(Load upload);  // its images are open now, each until settled()
  // Images that are open since before this process, whatever the bounds are now.
  void resumed(const SessionId& session, Load images);
  void settled(const SessionId& session, std::uint64_t bytes, TimePoint now);  // one image

  const Load& open() const { return open_; }  // what is reserved included
  std::uint64_t unstored_bytes() const { return unstored_; }
  std::size_t sessions() const { return by_session_.size(); }

 private:
  Load room_for(const Load& session) const;
  Load most_for_one() const;
  std::chrono::seconds wait_for(std::uint64_t images, std::uint64_t bytes, std::size_t sharing,
                                TimePoint now) const;
  void release(const SessionId& session, Load load);

  AdmissionOptions options_;
  Load open_;
  std::uint64_t unstored_ = 0;
  std::unordered_map<SessionId, Load> by_session_;  // none is empty
  RateMeter rate_;                                  // of what settles
};

}  // namespace imgrec::manager
