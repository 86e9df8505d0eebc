// Bytes of open images in memory, so that assigning one needs no file. When it is full, newcomers
// stay out: those in it are older, and their turn comes first.
//
// Thread rule: any thread.
// Owns: a share of each image's bytes.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "proto/ids.h"
#include "proto/messages.h"

namespace imgrec::manager {

class ByteCache {
 public:
  explicit ByteCache(std::uint64_t limit) : limit_(limit) {}

  void put(JobId job, proto::SharedBytes bytes) {
    const std::scoped_lock lock(mutex_);
    const std::uint64_t size = bytes->size();
    if (size > limit_ - used_) return;
    if (entries_.emplace(job, std::move(bytes)).second) used_ += size;
  }

  // Null: not here.
  proto::SharedBytes get(JobId job) const {
    const std::scoped_lock lock(mutex_);
    const auto found = entries_.find(job);
    return found == entries_.end() ? nullptr : found->second;
  }

  void drop(JobId job) {
    const std::scoped_lock lock(mutex_);
    const auto found = entries_.find(job);
    if (found == entries_.end()) return;
    used_ -= found->second->size();
    entries_.erase(found);
  }

  std::uint64_t used() const {
    const std::scoped_lock lock(mutex_);
    return used_;
  }

 private:
  const std::uint64_t limit_;
  mutable std::mutex mutex_;
  std::unordered_map<JobId, proto::SharedBytes> entries_;  // guarded by mutex_
  std::uint64_t used_ = 0;                                 // guarded by mutex_
};

}  // namespace imgrec::manager
