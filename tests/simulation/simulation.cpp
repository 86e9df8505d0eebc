#include "tests/simulation/simulation.h"

#include <memory>

#include "tests/simulation/fault_injector.h"
#include "tests/simulation/ledger_check.h"
#include "tests/simulation/network.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/sim_clients.h"
#include "tests/simulation/sim_manager.h"
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
  Truth truth_;
  Network network_;
  SimManager manager_;
  std::vector<std::unique_ptr<SimWorker>> workers_;
  SimClients clients_;
  FaultInjector injector_;
};

Schedule::Schedule(std::uint64_t seed, Mutant mutant, std::size_t story_lines)
    : world_(seed, story_lines),
      plan_(make_plan(world_.random)),
      truth_(plan_.workers.size()),
      network_(world_),
      manager_(world_, truth_, network_, plan_, mutant),
      clients_(world_, truth_, plan_, manager_),
      injector_(world_, truth_, plan_, manager_, workers_) {
  for (unsigned number = 0; number < plan_.workers.size(); ++number) {
    truth_.workers[number].liar = !plan_.workers[number].lies.empty();
    truth_.workers[number].slow_link = plan_.workers[number].link.slow();
    workers_.push_back(std::make_unique<SimWorker>(world_, truth_, network_, plan_, number));
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
  manager_.start();
  for (const auto& worker : workers_) {
    world_.loop.after(world_.random.time({}, milliseconds(300)), [&worker] { worker->start(); });
  }
  clients_.start();
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
  manager_.storage().break_disk_until({});
  for (const auto& worker : workers_) worker->heal();
}

bool Schedule::settled() const {
  return !world_.fault_phase && clients_.finished() && manager_.serves() &&
         manager_.storage().open_rows() == 0 && manager_.core()->open_images() == 0;
}

void Schedule::run_until_settled() {
  const TimePoint limit = world_.now() + plan_.fault_phase + kSettleWithin;
  while (!settled() && step(limit)) {
  }
}

void Schedule::check_rest() {
  check_ledger(world_, truth_, plan_, manager_.storage(), manager_.life());
  if (!world_.violation.empty()) return;
  if (!settled()) return world_.violate("the system did not come to rest in time");
  if (manager_.core()->scheduler().open_jobs() != 0 || manager_.attempts_out() != 0) {
    world_.violate("everything is settled, but the scheduler still has jobs or attempts out");
  }
}

// SIGTERM to the manager with all its workers at rest: it has nothing to wait for.
void Schedule::shut_down() {
  manager_.shut_down(kLastGrace);
  const TimePoint limit = world_.now() + 2 * kLastGrace;
  while (manager_.running() && step(limit)) {
  }
  if (world_.violation.empty() && manager_.running()) {
    world_.violate("the manager did not leave when it was asked to");
  }
}

}  // namespace

ScheduleResult run_schedule(std::uint64_t seed, Mutant mutant, std::size_t story_lines) {
  ScheduleResult result = Schedule(seed, mutant, story_lines).run();
  result.seed = seed;
  return result;
}

}  // namespace imgrec::simulation
