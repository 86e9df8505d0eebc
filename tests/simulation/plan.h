// One schedule as the generator draws it from its seed: who is there, what comes in, and which
// faults may happen how often. The rest is drawn while it runs, from the same generator.
//
// Thread rule: plain values. Owns its vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "manager/core/manager_core.h"
#include "proto/session.h"
#include "tests/simulation/image.h"
#include "tests/simulation/random.h"

namespace imgrec::simulation {

struct LinkPlan {  // one direction is like the other
  Duration delay{};
  Duration jitter{};
  std::uint64_t bytes_per_s = 10'000'000;
  std::size_t window = 64 * 1024;  // bytes that the network and the receiver's kernel take
  double sliced = 0;               // chance that a frame travels in pieces

  // Before the manager has measured it, it may take this one's slowness for a worker that hangs.
  bool slow() const;
};

// What a lying worker may do to its answers.
enum class Lie {
  kWrongJob,
  kDoubleResult,
  kAfterCancel,
  kWrongAttempt,
  kFailAfterDone,
};
inline constexpr unsigned kLies = 5;

struct WorkerPlan {
  unsigned streams = 1;
  unsigned batch = 1;
  unsigned credit = 2;
  std::uint64_t max_held_bytes = 1u << 20;  // an image has a few hundred
  Duration decode{};                        // each image takes about so long
  Duration inference{};                     // the same
  LinkPlan link;
  std::vector<Lie> lies;  // empty: honest
  double lie_chance = 0;  // at each answer
};

struct ImagePlan {
  ImageKind kind = ImageKind::kGood;
  bool unreadable = false;                // its stored bytes are damaged
  std::optional<Duration> deleted_after;  // its 202
};

struct BatchPlan {
  unsigned shard = 0;
  unsigned session = 0;
  Duration at{};
  std::vector<ImagePlan> images;
};

// Faults that come from outside, again and again until the fault phase ends.
enum class Injection {
  kCut,
  kBlackHole,
  kStallTowardsWorker,
  kStallTowardsManager,
  kSlowLink,
  kDuplicateFrame,
  kCorruptFrame,
  kRefuseConnects,
  kCrashWorker,
  kFreezeWorker,
  kHangInference,
  kSlowDownWorker,
  kDrainWorker,
  kCrashManager,
  kRestartManager,
  kBreakDisk,
};
inline constexpr unsigned kInjections = static_cast<unsigned>(Injection::kBreakDisk) + 1;

struct InjectionPlan {
  Injection kind{};
  Duration every{};  // on average
};

struct SchedulePlan {
  enum class Profile { kCalm, kPoisonOnly, kMixed };

  Profile profile = Profile::kMixed;
  Duration fault_phase{};
  unsigned shards = 1;  // managers, all of which each worker serves
  std::vector<WorkerPlan> workers;
  std::vector<BatchPlan> batches;
  std::vector<InjectionPlan> injections;
  double engine_failure = 0;  // chance at each inference in the fault phase
  double failed_commit = 0;   // chance at each commit in the fault phase
  Duration commit{};          // a commit takes about so long
  Duration supervisor{};      // how long a hung worker is left alone
  manager::ManagerCoreOptions core;
  proto::SessionOptions manager_session;
  proto::SessionOptions worker_session;

  std::size_t images() const;
  std::size_t poison() const;
  std::string in_words() const;
};

SchedulePlan make_plan(Random& random);

}  // namespace imgrec::simulation
