// What is remembered of workers that left with a bad record, by who they say they are: a process
// that dies of every image and is restarted each time is the same bad worker, whatever its
// connection.
//
// Thread rule: confined to one thread.
// Owns: at most kMaxRemembered records, for kMemory each; the oldest go first.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "manager/core/worker_health.h"

namespace imgrec::manager {

class Reputation {
 public:
  using TimePoint = WorkerHealth::TimePoint;
  static constexpr std::size_t kMaxRemembered = 4096;
  static constexpr std::chrono::minutes kMemory{10};

  // It left. A good record is not worth remembering. An empty identity is nobody's.
  void remember(const std::string& identity, const WorkerHealth& health, TimePoint now) {
    if (identity.empty() || health.spotless()) return;
    records_.insert_or_assign(identity, Record{health, now});
    if (records_.size() > kMaxRemembered) forget_the_oldest();
  }

  // It is back: its record is handed over. A new one for whom nobody remembers.
  WorkerHealth recall(const std::string& identity, TimePoint now) {
    const auto found = records_.find(identity);
    if (found == records_.end()) return {};
    const Record record = found->second;
    records_.erase(found);
    return now - record.left > kMemory ? WorkerHealth{} : record.health;
  }

  std::size_t size() const { return records_.size(); }

 private:
  struct Record {
    WorkerHealth health;
    TimePoint left;
  };

  void forget_the_oldest() {
    auto oldest = records_.begin();
    for (auto each = records_.begin(); each != records_.end(); ++each) {
      if (each->second.left < oldest->second.left) oldest = each;
    }
    records_.erase(oldest);
  }

  std::map<std::string, Record> records_;
};

}  // namespace imgrec::manager
