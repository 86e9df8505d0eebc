// Whether a worker can be trusted with work: one that keeps failing is left out for a while, longer
// each time, and comes back on probation. As outlier ejection in Envoy, with the probation of a
// circuit breaker.
//
// Transitions:
//   kGood      -> kEjected    kFailuresToEject failures in a row
//   kEjected   -> kProbation  its time is over
//   kProbation -> kGood       kSuccessesToTrust results in a row
//   kProbation -> kEjected    one failure; twice as long as the last time
// Every other move is rejected by transition().
//
// A failure is an attempt that timed out, a report that says "it is me, not the image", or a death
// with work in hand. A bad image is none.
//
// Thread rule: plain value, confined to one thread. Owns: nothing but numbers.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace imgrec::manager {

class WorkerHealth {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class State { kGood, kEjected, kProbation };

  static constexpr unsigned kFailuresToEject = 3;
  static constexpr unsigned kSuccessesToTrust = 3;
  static constexpr std::chrono::milliseconds kFirstEjection{1'000};
  static constexpr std::chrono::milliseconds kLongestEjection{30'000};

  static constexpr bool transition_allowed(State from, State to) {
    switch (to) {
      case State::kGood:
        return from == State::kProbation;
      case State::kEjected:
        return from != State::kEjected;
      case State::kProbation:
        return from == State::kEjected;
    }
    return false;
  }

  State state() const { return state_; }
  bool ejected() const { return state_ == State::kEjected; }
  bool on_probation() const { return state_ == State::kProbation; }
  // Nothing to remember of it.
  bool spotless() const { return state_ == State::kGood && failures_ == 0 && ejections_ == 0; }
  // When its ejection ends. REQUIRES: ejected().
  TimePoint ejected_until() const { return until_; }

  void on_success() {
    failures_ = 0;
    if (state_ != State::kProbation || ++successes_ < kSuccessesToTrust) return;
    transition(State::kGood);
    ejections_ /= 2;  // forgiven by and by
  }

  // True: it is ejected from now on, until ejected_until().
  bool on_failure(TimePoint now) {
    ++failures_;
    const bool enough = state_ == State::kProbation || failures_ >= kFailuresToEject;
    if (!enough || !transition(State::kEjected)) return false;
    until_ = now + std::min(kFirstEjection * (1u << std::min(ejections_, 10u)), kLongestEjection);
    ++ejections_;
    return true;
  }

  // Its time is over.
  void on_probation_begins() {
    if (!transition(State::kProbation)) return;
    successes_ = 0;
    failures_ = 0;
  }

 private:
  bool transition(State to) {
    if (!transition_allowed(state_, to)) return false;
    state_ = to;
    return true;
  }

  State state_ = State::kGood;
  unsigned failures_ = 0;   // in a row
  unsigned successes_ = 0;  // in a row, on probation
  unsigned ejections_ = 0;  // and not forgiven
  TimePoint until_{};
};

}  // namespace imgrec::manager
