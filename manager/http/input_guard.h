// Judges the bytes of one HTTP connection before anything else reads them: frames requests, refuses
// what is malformed, ambiguous or over a limit, keeps pipelined requests in order, keeps the clock.
// Bytes and time in, decisions out; no sockets, no globals.
//
//   kHead → kBody → kAnswering → kHead …      a request, its answer, the next
//   kHead, kBody → kLingering                 refused: answer, then read and drop what still comes
//   kAnswering → kLingering                   the answer said "Connection: close"
//   kHead → kUpgraded                         the socket is another's now
//   any → kOver                               close the socket
//
// Thread rule: confined to its connection's thread.
// Owns: the bytes of the request that is being received, and of the queue behind it.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "manager/http/quota.h"
#include "manager/http/request_head.h"

namespace imgrec::manager {

struct GuardLimits {
  std::size_t max_header_bytes = 16 * 1024;
  std::size_t max_body_bytes = 64ull << 20;
  std::size_t max_pipelined_bytes = 64 * 1024;       // held while an answer is awaited
  std::size_t max_lingering_bytes = 64ull << 20;     // dropped after the last answer
  std::chrono::milliseconds idle_timeout{60'000};    // head complete; between bytes of a body
  std::chrono::milliseconds unused_timeout{75'000};  // between requests
  std::chrono::milliseconds lingering_timeout{10'000};
  std::size_t min_body_rate = 1024;  // bytes/s a body must keep up after idle_timeout
};

class InputGuard {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  enum class Decision {
    kWait,      // for bytes, for response_sent(), or for deadline()
    kContinue,  // send "100 Continue"
    kRequest,   // take() a whole request, answer it, then response_sent()
    kUpgrade,   // take() a WebSocket upgrade; the guard is done
    kRefuse,    // answer refusal() with "Connection: close" and shut down sending
    kClose,     // close the socket
  };

  struct Guarded {
    RequestHead head;
    std::string raw_head;  // as received; of an upgrade, with whatever followed it
  };

  // `budget`: what the bodies of all connections share; null: none. It must outlive the guard.
  InputGuard(GuardLimits limits, TimePoint now, ByteBudget* budget = nullptr);
  InputGuard(const InputGuard&) = delete;
  InputGuard& operator=(const InputGuard&) = delete;
  ~InputGuard();

  void feed(std::string_view bytes, TimePoint now);

  // The next thing to do; call until kWait (or kClose).
  Decision next(TimePoint now);

  // REQUIRES: the last decision was kRequest or kUpgrade.
  Guarded take() { return std::move(guarded_); }
  // REQUIRES: the last decision was kRefuse.
  const Refusal& refusal() const { return refusal_; }

  // The answer to the request has gone. `keep_alive`: as the answer said.
  void response_sent(bool keep_alive, TimePoint now);

  // Between requests, with nothing received of the next.
  bool idle() const { return state_ == State::kHead && pending_.empty(); }

  // Bytes of a body that are still to come; 0 outside of one.
  std::size_t missing_body() const {
    if (state_ != State::kBody) return 0;
    return static_cast<std::size_t>(guarded_.head.content_length) -
           guarded_.head.request.body.size();
  }

  // When next() has something to say even without bytes; TimePoint::max() for never.
  TimePoint deadline() const;

 private:
  enum class State { kHead, kBody, kAnswering, kLingering, kUpgraded, kOver };
  enum class Scan { kMore, kComplete, kRefused };

  Decision read_head(TimePoint now);
  Scan scan_head();
  Decision read_body(TimePoint now);
  Decision expire(TimePoint now);
  Decision refuse(Refusal refusal, TimePoint now);
  void linger(TimePoint now);
  void append_body(std::string_view part);
  void grow_body(std::size_t wanted);
  void give_back();

  GuardLimits limits_;
  ByteBudget* budget_;
  std::size_t charged_ = 0;  // to the budget, for the body
  bool over_budget_ = false;
  State state_ = State::kHead;
  std::string pending_;      // bytes not yet understood; in kAnswering, the queue
  std::size_t scanned_ = 0;  // of pending_, while a head is looked for
  bool line_empty_ = true;   // the line being scanned, so far
  bool head_begun_ = false;  // a line that is not empty has been seen
  bool overflowed_ = false;  // the queue did not hold what came while an answer was awaited
  std::size_t dropped_ = 0;  // bytes, while lingering
  Guarded guarded_;
  Refusal refusal_;
  TimePoint began_;  // this state, or the first byte of this head
  TimePoint last_byte_;
};

}  // namespace imgrec::manager
