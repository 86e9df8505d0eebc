// Jobs that wait for their first assignment, fair between sessions: a session with a thousand jobs
// and one with a single job take turns, and a job that costs more (a larger photo) takes more of
// its session's turn. Within a session the order is that of arrival.
//
// Source: start-time fair queueing (P. Goyal, H. Vin, H. Cheng, "Start-time Fair Queueing", 1997).
// A job's start tag is the later of the virtual time and the finish tag of its session's job before
// it; its finish tag is its start tag plus its cost; the smallest start tag goes first, and is the
// virtual time from then on.
//
// Thread rule: confined to one thread.
// Owns: one entry per waiting job. Every operation takes logarithmic time in the number of
// sessions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "proto/ids.h"

namespace imgrec::manager {

class FairQueue {
 public:
  // `cost`: in any unit, the same for all; at least 1. REQUIRES: `job` is not in the queue.
  void push(JobId job, const SessionId& session, std::uint64_t cost = 1);

  // Takes the next job out. REQUIRES: !empty().
  JobId pop();

  // False: it was not in the queue. Its session's turn is not used up.
  bool erase(JobId job);

  bool empty() const { return places_.empty(); }
  std::size_t size() const { return places_.size(); }

 private:
  struct Entry {
    JobId job;
    std::uint64_t cost = 1;
  };
  // (start tag of its first job, order of arrival among equals)
  using Turn = std::pair<std::uint64_t, std::uint64_t>;
  struct Line {
    std::list<Entry> jobs;  // never empty
    Turn turn;              // its key in turns_
  };
  using Lines = std::unordered_map<SessionId, Line>;
  struct Place {
    SessionId session;
    std::list<Entry>::iterator position;
  };

  void forget_past_sessions();

  Lines lines_;
  std::map<Turn, SessionId> turns_;
  std::unordered_map<JobId, Place> places_;
  // Finish tags of sessions whose line is empty, as long as they lie ahead of the virtual time: who
  // comes back soon does not gain by having been away.
  std::unordered_map<SessionId, std::uint64_t> finished_;
  std::set<std::pair<std::uint64_t, SessionId>> by_finish_;
  std::uint64_t virtual_time_ = 0;
  std::uint64_t arrivals_ = 0;
};

}  // namespace imgrec::manager
