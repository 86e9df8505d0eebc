// Counters of what strangers take up, with a limit: bytes held for them, and connections of one
// address.
//
// Thread rule: any thread.
// Owns: the counts. A Place keeps its counter alive.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace imgrec::manager {

class ByteBudget {
 public:
  explicit ByteBudget(std::size_t limit) : limit_(limit) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // False: not so many are left, and none was taken.
  bool take(std::size_t bytes) {
    std::size_t used = used_;
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes));
    return true;
  }
  // REQUIRES: as many were taken.
  void give_back(std::size_t bytes) { used_ -= bytes; }
  std::size_t used() const { return used_; }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> used_{0};
};

// What has been taken, given back when the last holder lets go.
using Place = std::shared_ptr<const void>;

class AddressQuota : public std::enable_shared_from_this<AddressQuota> {
 public:
  // Places for each address; 0: no limit.
  explicit AddressQuota(std::size_t limit) : limit_(limit) {}

  // Null: the address has all that it may have.
  Place take(const std::string& address) {
    const std::lock_guard lock(mutex_);
    std::size_t& taken = taken_[address];
    if (limit_ != 0 && taken >= limit_) return nullptr;
    ++taken;
    return Place(this, [self = shared_from_this(), address](const void*) { self->leave(address); });
  }
  std::size_t addresses() const {
    const std::lock_guard lock(mutex_);
    return taken_.size();
  }

 private:
  void leave(const std::string& address) {
    const std::lock_guard lock(mutex_);
    const auto found = taken_.find(address);
    if (--found->second == 0) taken_.erase(found);
  }

  const std::size_t limit_;
  mutable std::mutex mutex_;  // guards taken_
  std::map<std::string, std::size_t> taken_;
};

}  // namespace imgrec::manager
