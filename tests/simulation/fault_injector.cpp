#include "tests/simulation/fault_injector.h"

#include <string>

namespace imgrec::simulation {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::hours kForEver{1};

}  // namespace

void FaultInjector::start() {
  for (const InjectionPlan& injection : plan_.injections) schedule(injection);
}

void FaultInjector::schedule(const InjectionPlan& injection) {
  world_.loop.after(world_.random.about(injection.every), [this, &injection] {
    if (!world_.fault_phase) return;
    inject(injection.kind);
    schedule(injection);
  });
}

void FaultInjector::told(const SimWorker& worker, const char* what) {
  world_.tell({0xFA17, worker.number()}, [&] {
    return std::string("FAULT: ") + what + " of " + worker_name(worker.number());
  });
}

// Which of its connections it was does not matter: the worker's other shards wait for it too.
void FaultInjector::disturb(const SimWorker& worker, TimePoint until) {
  shards_.front()->truth().disturb(worker.number(), until);
}

void FaultInjector::inject(Injection kind) {
  SimWorker& worker = *workers_[world_.random.below(workers_.size())];
  switch (kind) {
    case Injection::kCut:
    case Injection::kBlackHole:
    case Injection::kStallTowardsWorker:
    case Injection::kStallTowardsManager:
    case Injection::kDuplicateFrame:
    case Injection::kCorruptFrame:
      if (Connection* connection = worker.connection(any_shard());
          connection && connection->live()) {
        hit_connection(kind, worker, *connection);
      }
      return;
    case Injection::kSlowLink:
    case Injection::kRefuseConnects:
    case Injection::kCrashWorker:
    case Injection::kFreezeWorker:
    case Injection::kHangInference:
    case Injection::kSlowDownWorker:
    case Injection::kDrainWorker:
      return hit_worker(kind, worker);
    case Injection::kCrashManager:
    case Injection::kRestartManager:
    case Injection::kBreakDisk:
      return hit_manager(kind);
  }
}

void FaultInjector::hit_connection(Injection kind, SimWorker& worker, Connection& connection) {
  const bool towards_worker =
      kind == Injection::kStallTowardsWorker ||
      (kind != Injection::kStallTowardsManager && world_.random.chance(0.5));
  Pipe& pipe = towards_worker ? connection.to_worker : connection.to_manager;
  const Duration silence = plan_.manager_session.dead_after;
  Duration aftermath{};
  if (kind == Injection::kCut) {
    told(worker, "the connection breaks");
    world_.happened(Fault::kConnectionLoss);
    connection.cut();
  } else if (kind == Injection::kBlackHole) {
    told(worker, "silence for ever on the connection");
    world_.happened(Fault::kConnectionLoss);
    connection.black_hole();
    aftermath = silence;
  } else if (kind == Injection::kDuplicateFrame) {
    told(worker, towards_worker ? "the next frame doubles on its way to the worker"
                                : "the next frame doubles on its way from the worker");
    pipe.duplicate_next();
  } else if (kind == Injection::kCorruptFrame) {
    told(worker, towards_worker ? "the next frame is damaged on its way to the worker"
                                : "the next frame is damaged on its way from the worker");
    pipe.corrupt_next();
  } else {
    told(worker, towards_worker ? "nothing gets through for a while to the worker"
                                : "nothing gets through for a while from the worker");
    aftermath = world_.random.time(milliseconds(100), silence * 3 / 2);
    pipe.stall(world_.now() + aftermath);
  }
  disturb(worker, world_.now() + aftermath);
}

void FaultInjector::hit_worker(Injection kind, SimWorker& worker) {
  const bool for_ever = world_.random.chance(0.5);
  const Duration time = world_.random.time(milliseconds(200), milliseconds(4'000));
  if (kind == Injection::kCrashWorker) {
    worker.crash("kill -9");
  } else if (kind == Injection::kFreezeWorker) {
    worker.freeze(for_ever ? kForEver : time);
  } else if (kind == Injection::kHangInference) {
    worker.hang_next_inference(for_ever ? kForEver : time);
  } else if (kind == Injection::kSlowDownWorker) {
    worker.slow_down(static_cast<double>(world_.random.between(3, 20)), world_.now() + time);
  } else if (kind == Injection::kDrainWorker) {
    worker.drain();
  } else {
    hit_cable(kind, worker, worker.cable(any_shard()), time);
  }
}

void FaultInjector::hit_cable(Injection kind, SimWorker& worker, Cable& cable, Duration time) {
  if (kind == Injection::kSlowLink) {
    told(worker, "the link gets slow");
    cable.slow_until = world_.now() + time;
  } else {
    told(worker, "connects are refused for a while");
    cable.refused = true;
    world_.loop.after(time, [&cable] { cable.refused = false; });
  }
  disturb(worker, world_.now() + time);
}

void FaultInjector::hit_manager(Injection kind) {
  const Duration down = world_.random.time(milliseconds(50), milliseconds(1'500));
  SimShard& shard = *shards_[any_shard()];
  if (kind == Injection::kCrashManager) {
    shard.manager().crash(down);
  } else if (kind == Injection::kRestartManager) {
    shard.manager().restart(milliseconds(world_.random.between(50, 1'500)), down);
  } else {
    world_.tell({0xD15B, shard.number()}, [&] {
      return "FAULT: " + shard.truth().name + "the disk takes no writes for a while";
    });
    shard.manager().storage().break_disk_until(world_.now() + down);
  }
}

}  // namespace imgrec::simulation
