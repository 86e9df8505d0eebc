#include "manager/core/fair_queue.h"

namespace imgrec::manager {

void FairQueue::push(JobId job, const SessionId& session) {
  auto found = lines_.find(session);
  if (found == lines_.end()) {
    const auto line = ring_.insert(ring_.end(), Line{session, {}});
    found = lines_.emplace(session, line).first;
  }
  const auto line = found->second;
  places_[job] = Place{line, line->jobs.insert(line->jobs.end(), job)};
}

JobId FairQueue::pop() {
  const auto line = ring_.begin();
  const JobId job = line->jobs.front();
  line->jobs.pop_front();
  places_.erase(job);
  if (line->jobs.empty()) {
    remove_line(line);
  } else {
    ring_.splice(ring_.end(), ring_, line);
  }
  return job;
}

bool FairQueue::erase(JobId job) {
  const auto found = places_.find(job);
  if (found == places_.end()) return false;
  const auto [line, position] = found->second;
  places_.erase(found);
  line->jobs.erase(position);
  if (line->jobs.empty()) remove_line(line);
  return true;
}

void FairQueue::remove_line(Ring::iterator line) {
  lines_.erase(line->session);
  ring_.erase(line);
}

}  // namespace imgrec::manager
