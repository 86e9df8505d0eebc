#include "manager/core/fair_queue.h"

#include <algorithm>

namespace imgrec::manager {

void FairQueue::push(JobId job, const SessionId& session, std::uint64_t cost) {
  const auto [line, fresh] = lines_.try_emplace(session);
  if (fresh) {
    std::uint64_t start = virtual_time_;
    if (const auto finished = finished_.find(session); finished != finished_.end()) {
      start = std::max(start, finished->second);
      by_finish_.erase({finished->second, session});
      finished_.erase(finished);
    }
    line->second.turn = {start, ++arrivals_};
    turns_.emplace(line->second.turn, session);
  }
  auto& jobs = line->second.jobs;
  const Entry entry{job, std::max<std::uint64_t>(cost, 1)};
  places_.emplace(job, Place{session, jobs.insert(jobs.end(), entry)});
}

JobId FairQueue::pop() {
  const auto first = turns_.begin();
  const auto line = lines_.find(first->second);
  virtual_time_ = first->first.first;
  const Entry entry = line->second.jobs.front();
  const std::uint64_t finish = virtual_time_ + entry.cost;
  places_.erase(entry.job);
  line->second.jobs.pop_front();
  turns_.erase(first);
  if (line->second.jobs.empty()) {
    finished_.emplace(line->first, finish);
    by_finish_.emplace(finish, line->first);
    lines_.erase(line);
  } else {
    line->second.turn = {finish, ++arrivals_};
    turns_.emplace(line->second.turn, line->first);
  }
  forget_past_sessions();
  return entry.job;
}

bool FairQueue::erase(JobId job) {
  const auto found = places_.find(job);
  if (found == places_.end()) return false;
  const auto line = lines_.find(found->second.session);
  line->second.jobs.erase(found->second.position);
  places_.erase(found);
  if (line->second.jobs.empty()) {
    const std::uint64_t start = line->second.turn.first;  // what it has used, and no more
    turns_.erase(line->second.turn);
    if (start > virtual_time_) {
      finished_.emplace(line->first, start);
      by_finish_.emplace(start, line->first);
    }
    lines_.erase(line);
  }
  return true;
}

void FairQueue::forget_past_sessions() {
  while (!by_finish_.empty() && by_finish_.begin()->first <= virtual_time_) {
    finished_.erase(by_finish_.begin()->second);
    by_finish_.erase(by_finish_.begin());
  }
}

}  // namespace imgrec::manager
