#include "tests/simulation/sim_worker.h"

#include <utility>

#include "tests/simulation/sim_shard.h"
#include "tests/simulation/worker_process.h"

namespace imgrec::simulation {

using std::chrono::milliseconds;

SimWorker::SimWorker(World& world, const Shards& shards, const SchedulePlan& plan, unsigned number)
    : world_(world), shards_(shards), plan_(plan), number_(number) {
  cables_.resize(shards.size());
  for (Cable& cable : cables_) {
    cable.plan = own().link;
    cable.worker = number;
  }
}

SimWorker::~SimWorker() = default;

bool SimWorker::running() { return process() != nullptr && !process()->ended(); }

Connection* SimWorker::connection(unsigned shard) {
  return running() ? process()->connection(shard) : nullptr;
}

// What it does to one shard it does to all.
void SimWorker::disturb(TimePoint until) { shards_.front()->truth().disturb(number_, until); }

void SimWorker::start() {
  processes_.push_back(
      std::make_unique<WorkerProcess>(*this, static_cast<unsigned>(processes_.size())));
  world_.tell({0x3057, number_, processes_.size()}, [&] {
    return worker_name(number_) + " starts, process " + std::to_string(processes_.size() - 1);
  });
  process()->start();
}

void SimWorker::start_later() {
  const Duration wait = world_.random.time(milliseconds(50), milliseconds(1'500));
  disturb(world_.now() + wait);
  world_.loop.after(wait, [this] { start(); });
}

void SimWorker::on_exit() { start_later(); }

void SimWorker::crash(const std::string& why) {
  if (!running()) return;
  world_.happened(Fault::kWorkerCrash);
  world_.tell({0xC4A6, number_},
              [&] { return "FAULT: " + worker_name(number_) + " is killed: " + why; });
  process()->kill();
  start_later();
}

void SimWorker::hangs() {
  world_.happened(Fault::kWorkerHang);
  disturb(world_.now() + plan_.supervisor);
  world_.loop.after(plan_.supervisor, [this, process_then = process()] {
    if (process_then == process() && running() && process()->hung()) {
      crash("the supervisor finds it hung");
    }
  });
}

void SimWorker::freeze(Duration time) {
  if (!running()) return;
  world_.tell({0xF4E, number_}, [&] {
    return "FAULT: " + worker_name(number_) + " stands still for " +
           std::to_string(std::chrono::duration_cast<milliseconds>(time).count()) + " ms";
  });
  disturb(world_.now() + time);
  process()->freeze(world_.now() + time);
  hangs();
}

void SimWorker::hang_next_inference(Duration time) { hang_next_ = time; }

void SimWorker::slow_down(double factor, TimePoint until) {
  world_.tell({0x510, number_}, [&] { return "FAULT: " + worker_name(number_) + " gets slower"; });
  disturb(until + own().inference * static_cast<int>(factor) * own().credit * 2);
  slow_factor_ = factor;
  slow_until_ = until;
}

void SimWorker::drain() {
  if (!running()) return;
  world_.happened(Fault::kWorkerDrain);
  world_.tell({0xD4A, number_},
              [&] { return "FAULT: " + worker_name(number_) + " is asked to leave"; });
  disturb(world_.now() + kDrainTime);
  process()->drain();
}

void SimWorker::heal() {
  for (Cable& cable : cables_) {
    cable.plan.bytes_per_s = 10'000'000;
    cable.refused = false;
    cable.slow_until = {};
  }
  hang_next_ = {};
  slow_factor_ = 1;
}

Duration SimWorker::inference_time() {
  Duration time = world_.random.about(own().inference);
  if (world_.now() < slow_until_ && slow_factor_ > 1) {
    time = Duration(static_cast<Duration::rep>(static_cast<double>(time.count()) * slow_factor_));
    world_.happened(Fault::kWorkerSlowdown);
  }
  const Duration hang = std::exchange(hang_next_, Duration::zero());
  if (hang > Duration::zero()) {
    world_.tell({0x4A6, number_}, [&] {
      return "FAULT: an inference of " + worker_name(number_) + " hangs for " +
             std::to_string(std::chrono::duration_cast<milliseconds>(hang).count()) + " ms";
    });
    disturb(world_.now() + hang);
    hangs();
    time += hang;
  }
  return time;
}

}  // namespace imgrec::simulation
