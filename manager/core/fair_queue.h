// Jobs that wait for their first assignment, round robin by session: a session with a thousand
// jobs and one with a single job take turns. Within a session the order is that of arrival.
//
// Thread rule: confined to one thread.
// Owns: one entry per waiting job. Every operation takes constant time.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>

#include "proto/ids.h"

namespace imgrec::manager {

class FairQueue {
 public:
  // REQUIRES: `job` is not in the queue.
  void push(JobId job, const SessionId& session);

  // Takes the next job out. REQUIRES: !empty().
  JobId pop();

  // False: it was not in the queue.
  bool erase(JobId job);

  bool empty() const { return places_.empty(); }
  std::size_t size() const { return places_.size(); }

 private:
  struct Line {
    SessionId session;
    std::list<JobId> jobs;  // never empty
  };
  using Ring = std::list<Line>;  // the front's turn is next
  struct Place {
    Ring::iterator line;
    std::list<JobId>::iterator position;
  };

  void remove_line(Ring::iterator line);

  Ring ring_;
  std::unordered_map<SessionId, Ring::iterator> lines_;
  std::unordered_map<JobId, Place> places_;
};

}  // namespace imgrec::manager
