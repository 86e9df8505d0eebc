#include "tests/simulation/simulation.h"

#include <algorithm>
#include <memory>

#include "tests/simulation/fault_injector.h"
#include "tests/simulation/ledger_check.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/sim_shard.h"
#include "tests/simulation/sim_worker.h"
#include "tests/simulation/truth.h"

namespace imgrec::simulation {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::minutes kSettleWithin{30};  // of simulated time, after the last fault
constexpr std::uint64_t kMaxEvents = 2'000'000;    // more means that something spins
constexpr milliseconds kLastGrace{500};

class Schedule {
 public:
  Schedule(std::uint64_t seed, Mutant mutant, std::size_t story_lines);
  ScheduleResult run();

 private:
  bool settled() const;
  void heal();
  void run_until_settled();
  void check_rest();
  void shut_down();
  bool step(TimePoint limit);

  World world_;
  SchedulePlan plan_;
  std::vector<WorkerTruth> worker_truths_;
  Shards shards_;
  std::vector<std::unique_ptr<SimWorker>> workers_;
  FaultInjector injector_;
};

Schedule::Schedule(std::uint64_t seed, Mutant mutant, std::size_t story_lines)
    : world_(seed, story_lines),
      plan_(make_plan(world_.random)),
      worker_truths_(plan_.workers.size()),
      injector_(world_, plan_, shards_, workers_) {
  for (unsigned number = 0; number < plan_.shards; ++number) {
    shards_.push_back(std::make_unique<SimShard>(world_, worker_truths_, plan_, mutant, number));
  }
  for (unsigned number = 0; number < plan_.workers.size(); ++number) {
    worker_truths_[number].liar = !plan_.workers[number].lies.empty();
    worker_truths_[number].slow_link = plan_.workers[number].link.slow();
    workers_.push_back(std::make_unique<SimWorker>(world_, shards_, plan_, number));
  }
}

bool Schedule::step(TimePoint limit) {
  if (!world_.violation.empty()) return false;
  if (world_.loop.executed() >= kMaxEvents) {
    world_.violate("the schedule makes events without end");
    return false;
  }
  return world_.loop.run_next(limit);
}

ScheduleResult Schedule::run() {
  for (const auto& shard : shards_) shard->manager().start();
  for (const auto& worker : workers_) {
    world_.loop.after(world_.random.time({}, milliseconds(300)), [&worker] { worker->start(); });
  }
  for (const auto& shard : shards_) shard->clients().start();
  injector_.start();
  world_.loop.after(plan_.fault_phase, [this] { heal(); });
  run_until_settled();
  if (world_.violation.empty()) check_rest();
  if (world_.violation.empty()) shut_down();

  ScheduleResult result;
  result.violation = world_.violation;
  result.faults = world_.faults;
  result.story_sum = world_.story.sum();
  result.events = world_.loop.executed();
  result.images = plan_.images();
  result.plan = plan_.in_words();
  result.story.assign(world_.story.lines().begin(), world_.story.lines().end());
  result.story_forgotten = world_.story.forgotten();
  return result;
}

void Schedule::heal() {
  world_.tell({0x4EA1}, [] { return std::string("the fault phase ends: nothing new goes wrong"); });
  world_.fault_phase = false;
  for (const auto& shard : shards_) shard->manager().storage().break_disk_until({});
  for (const auto& worker : workers_) worker->heal();
}

bool Schedule::settled() const {
  return !world_.fault_phase && std::all_of(shards_.begin(), shards_.end(),
                                            [](const auto& shard) { return shard->settled(); });
}

void Schedule::run_until_settled() {
  const TimePoint limit = world_.now() + plan_.fault_phase + kSettleWithin;
  while (!settled() && step(limit)) {
  }
}

void Schedule::check_rest() {
  for (const auto& shard : shards_) {
    const SimManager& manager = shard->manager();
    check_ledger(world_, shard->truth(), plan_, manager.storage(), manager.life());
    if (!world_.violation.empty()) return;
  }
  if (!settled()) return world_.violate("the system did not come to rest in time");
  for (const auto& shard : shards_) {
    const SimManager& manager = shard->manager();
    if (manager.core()->scheduler().open_jobs() != 0 || manager.attempts_out() != 0) {
      world_.violate(shard->truth().name +
                     "everything is settled, but the scheduler still has jobs or attempts out");
    }
  }
}

// SIGTERM to the managers with all their workers at rest: there is nothing to wait for.
void Schedule::shut_down() {
  for (const auto& shard : shards_) shard->manager().shut_down(kLastGrace);
  const auto running = [this] {
    return std::any_of(shards_.begin(), shards_.end(),
                       [](const auto& shard) { return shard->manager().running(); });
  };
  const TimePoint limit = world_.now() + 2 * kLastGrace;
  while (running() && step(limit)) {
  }
  if (world_.violation.empty() && running()) {
    world_.violate("a manager did not leave when it was asked to");
  }
}

}  // namespace

ScheduleResult run_schedule(std::uint64_t seed, Mutant mutant, std::size_t story_lines) {
  ScheduleResult result = Schedule(seed, mutant, story_lines).run();
  result.seed = seed;
  return result;
}

}  // namespace imgrec::simulation
