// Answers of recent jobs, so that a job that comes again (its answer was lost with a connection,
// or the manager gave up waiting too early) is answered without computing.
//
// Thread rule: not shared; confined to its WorkerCore.
// Owns: at most `capacity` answers; the least recently used one goes first.
#pragma once

#include <compare>
#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "proto/ids.h"
#include "proto/messages.h"
#include "worker/core/engine.h"

namespace imgrec::worker {

// A job number means something to one manager only.
struct JobKey {
  std::string manager_id;
  JobId job;
  friend auto operator<=>(const JobKey&, const JobKey&) = default;
};

// Classes, or a failure that is final: the same bytes would fail again.
struct Answer {
  EngineResult<std::vector<proto::ScoredClass>> result;
  unsigned top_k = 0;  // how many classes were asked for when it was computed
};

class ResultCache {
 public:
  // capacity 0: keeps nothing.
  explicit ResultCache(std::size_t capacity) : capacity_(capacity) {}

  // The answer, now the most recently used one; nullptr where there is none. Valid until the next
  // call of insert().
  const Answer* find(const JobKey& key);

  // Replaces an older answer of the same job.
  void insert(const JobKey& key, Answer answer);

  std::size_t size() const { return index_.size(); }

 private:
  struct Entry {
    JobKey key;
    Answer answer;
  };

  std::size_t capacity_;
  std::list<Entry> entries_;  // most recently used first
  std::map<JobKey, std::list<Entry>::iterator> index_;
};

}  // namespace imgrec::worker
