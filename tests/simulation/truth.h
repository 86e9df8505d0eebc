// What is really so at one shard of a schedule, whoever believes what: the images as they were
// made, the faults that befell each worker, the lies that were told. The checks compare with it.
//
// Thread rule: not shared; each schedule has its own.
// Owns: one entry per image that was ever durable. Borrows those of the workers, which all shards
// share.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proto/ids.h"
#include "tests/simulation/image.h"
#include "tests/simulation/random.h"

namespace imgrec::simulation {

struct ImageTruth {
  ImageKind kind = ImageKind::kGood;
  proto::SharedBytes bytes;
  bool unreadable = false;         // its stored bytes are damaged
  bool acknowledged = false;       // its client got the 202
  bool delete_wanted = false;      // its client asked to delete it
  bool lied_about = false;         // a lying worker sent a FAIL for it
  unsigned engine_failures = 0;    // the network failed on it for no reason of its own
  unsigned disturbed = 0;          // when it was settled: attempts in that manager's life that
                                   // ended with, or may have been held up by, a fault
  std::set<unsigned> lives_shown;  // managers' lives in which it was announced as settled
};

struct WorkerTruth {
  bool liar = false;
  bool slow_link = false;       // all the time, to the end of the schedule
  TimePoint disturbed_until{};  // a fault of its process or its cable, with its aftermath
};

class Truth {
 public:
  // `the_name`: what the story calls this shard; empty where there is one.
  Truth(std::vector<WorkerTruth>& the_workers, std::string the_name)
      : workers(the_workers), name(std::move(the_name)) {}

  // The aftermath: what piled up behind the fault has to drain.
  void disturb(unsigned worker, TimePoint until) {
    TimePoint& end = workers[worker].disturbed_until;
    end = std::max(end, until + std::chrono::seconds(2));
  }
  // A fault of this shard's manager: it is no excuse for what happens at another shard.
  void disturb_all(TimePoint until) {
    all_disturbed_until_ = std::max(all_disturbed_until_, until + std::chrono::seconds(2));
  }
  TimePoint disturbed_until(unsigned worker) const {
    return std::max(workers[worker].disturbed_until, all_disturbed_until_);
  }

  std::map<JobId, ImageTruth> images;
  std::vector<WorkerTruth>& workers;
  const std::string name;

 private:
  TimePoint all_disturbed_until_{};
};

// "w3" <-> 3. A name that is none of ours gives `workers`.
std::string worker_name(unsigned worker);
unsigned worker_named(const std::string& name, std::size_t workers);

}  // namespace imgrec::simulation
