#include "worker/core/result_cache.h"

#include <utility>

namespace imgrec::worker {

const Answer* ResultCache::find(const JobKey& key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &found->second->answer;
}

void ResultCache::insert(const JobKey& key, Answer answer) {
  if (capacity_ == 0) return;
  if (const auto found = index_.find(key); found != index_.end()) {
    found->second->answer = std::move(answer);
    entries_.splice(entries_.begin(), entries_, found->second);
    return;
  }
  if (entries_.size() == capacity_) {
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({key, std::move(answer)});
  index_.emplace(key, entries_.begin());
}

}  // namespace imgrec::worker
