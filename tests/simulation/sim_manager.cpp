#include "tests/simulation/sim_manager.h"

#include <utility>
#include <variant>

#include "tests/simulation/sim_manager_connection.h"

namespace imgrec::simulation {

using manager::CoreAction;
using manager::CoreEvent;
using manager::ImageRecord;

struct SimManager::Life {
  Life(World& world, Truth& truth, const SchedulePlan& plan, unsigned number)
      : core(plan.core, world.now()), checker(world, truth, number) {}

  manager::ManagerCore core;
  CoreChecker checker;
  std::map<WorkerId, WorkerConnection*> connections;
  std::uint64_t last_worker = 0;
  std::deque<CoreEvent> waiting;
  bool applying = false;
  std::optional<proto::Outcome> last_outcome;  // for the mutant that lets duplicates through
};

SimManager::SimManager(World& world, Truth& truth, Network& network, const SchedulePlan& plan,
                       Mutant mutant, unsigned shard)
    : world_(world),
      truth_(truth),
      plan_(plan),
      mutant_(mutant),
      id_(32, static_cast<char>('5' + shard)),
      storage_(world, truth, plan, mutant),
      alarm_(world.loop, [this] {
        if (running()) apply(manager::Tick{});
      }) {
  network.listen([this](Connection& connection) { return accept(connection); });
}

SimManager::~SimManager() = default;

const manager::ManagerCore* SimManager::core() const { return life_ ? &life_->core : nullptr; }

std::size_t SimManager::attempts_out() const { return life_ ? life_->checker.attempts_out() : 0; }

// ---- lives ------------------------------------------------------------------------------------

void SimManager::start() {
  ++lives_;
  leaving_ = false;
  life_ = std::make_unique<Life>(world_, truth_, plan_, lives_);
  std::vector<ImageRecord> open = storage_.open(lives_);
  world_.tell({0x57A, lives_, open.size()}, [&] {
    return truth_.name + "manager " + std::to_string(lives_) + " starts with " +
           std::to_string(open.size()) + " open images";
  });
  if (mutant_ == Mutant::kForgetAtRestart) open.clear();
  apply(manager::ImagesAccepted{std::move(open)});
}

void SimManager::crash(Duration down) {
  if (!running()) return;
  world_.happened(Fault::kManagerCrash);
  world_.tell({0xC4A5, lives_}, [&] {
    return "FAULT: " + truth_.name + "manager " + std::to_string(lives_) + " is killed";
  });
  truth_.disturb_all(world_.now() + down);
  storage_.crash();
  end_life();
  schedule_start(down);
}

void SimManager::restart(std::chrono::milliseconds grace, Duration down) {
  if (!serves()) return;
  world_.happened(Fault::kManagerRestart);
  down_after_leaving_ = down;
  truth_.disturb_all(world_.now() + grace + down);
  shut_down(grace);
}

void SimManager::shut_down(std::chrono::milliseconds grace) {
  if (!serves()) return;
  leaving_ = true;
  const std::chrono::milliseconds late = grace + std::chrono::milliseconds(10);
  world_.loop.after(late, [this, life = lives_] {
    if (running() && lives_ == life)
      world_.violate(truth_.name + "the shutdown did not end within its grace");
  });
  apply(manager::ShutdownRequested{grace});
}

void SimManager::end_life() {
  for (const auto& [id, connection] : life_->connections) connection->break_off();
  alarm_.set(std::nullopt);
  life_.reset();
}

void SimManager::schedule_start(Duration down) {
  world_.loop.after(down, [this] {
    if (!running()) start();
  });
}

Endpoint* SimManager::accept(Connection& connection) {
  if (!running()) return nullptr;
  const WorkerId worker{++life_->last_worker};
  connections_.push_back(std::make_unique<WorkerConnection>(*this, worker, connection));
  life_->connections.emplace(worker, connections_.back().get());
  return connections_.back().get();
}

SimManager::WorkerConnection* SimManager::find(WorkerId worker) {
  const auto found = life_->connections.find(worker);
  return found == life_->connections.end() ? nullptr : found->second;
}

// ---- clients ----------------------------------------------------------------------------------

void SimManager::upload(std::vector<SimStorage::NewImage> images,
                        const SimStorage::Done<std::vector<ImageRecord>>& answered) {
  const bool early = mutant_ == Mutant::kEarlyAnswer;
  auto records = storage_.add(std::move(images), [this, early, answered](auto stored) {
    if (!early) answered(stored);
    if (stored.ok()) apply(manager::ImagesAccepted{std::move(stored).value()});
  });
  if (early) answered(std::move(records));
}

void SimManager::remove(JobId job, std::function<void(Status)> answered) {
  storage_.remove(job, [this, answered = std::move(answered)](Result<ImageRecord> removed) {
    answered(removed.status());
    if (removed.ok()) apply(manager::ImageRemoved{std::move(removed).value()});
  });
}

// ---- the core, as in manager/app/control.cpp --------------------------------------------------

void SimManager::apply(CoreEvent event) {
  Life& life = *life_;
  life.waiting.push_back(std::move(event));
  if (life.applying) return;
  life.applying = true;
  while (!life.waiting.empty()) {
    CoreEvent next = std::move(life.waiting.front());
    life.waiting.pop_front();
    if (const auto* said = std::get_if<manager::WorkerSaid>(&next)) {
      if (const auto* outcome = std::get_if<proto::Outcome>(&said->message)) {
        life.last_outcome = *outcome;
      }
    }
    life.checker.before(next);
    for (CoreAction& action : life.core.on_event(std::move(next), world_.now())) {
      life.checker.after(action);
      if (filtered(action)) continue;
      std::visit([this](const auto& a) { perform(a); }, action);
    }
    life.checker.at_rest(life.core);
  }
  life.applying = false;
  alarm_.set(life.core.next_deadline());
}

bool SimManager::filtered(const CoreAction& action) {
  const auto* assignment = std::get_if<manager::AssignJob>(&action);
  return mutant_ == Mutant::kNoResend && assignment != nullptr && assignment->attempt > 1;
}

void SimManager::perform(const manager::AssignJob& action) {
  if (const proto::SharedBytes bytes = storage_.cached(action.job)) {
    send_assignment(action, bytes);
    return;
  }
  storage_.load(action.job, [this, action](Result<proto::SharedBytes> bytes) {
    send_assignment(action, bytes);
  });
}

void SimManager::send_assignment(const manager::AssignJob& action,
                                 const Result<proto::SharedBytes>& bytes) {
  if (!life_->core.wants(action)) return;
  if (!bytes.ok()) {
    apply(manager::BytesUnreadable{action.worker, action.job, action.attempt,
                                   bytes.status().message()});
    return;
  }
  if (WorkerConnection* worker = find(action.worker)) {
    worker->assign(proto::Assign{action.job, action.attempt, action.deadline,
                                 manager::kStoredPredictions, *bytes});
  }
}

void SimManager::perform(const manager::CancelAttempt& action) {
  if (WorkerConnection* worker = find(action.worker)) {
    worker->cancel(proto::Cancel{action.job, action.attempt, action.reason});
  }
}

void SimManager::perform(const manager::DropReport& action) {
  if (mutant_ == Mutant::kDuplicates) settle_again(action);
}

// What a manager without the rule "first result wins" would do.
void SimManager::settle_again(const manager::DropReport& action) {
  const std::optional<proto::Outcome>& outcome = life_->last_outcome;
  if (!outcome || outcome->job != action.job || outcome->attempt != action.attempt) return;
  manager::Settlement settlement;
  settlement.job = action.job;
  settlement.error = manager::ImageError{"duplicate", "of a result that was let through"};
  storage_.settle(std::move(settlement), [](const Result<ImageRecord>&) {});
}

void SimManager::perform(const manager::WelcomeWorker& action) {
  if (WorkerConnection* worker = find(action.worker)) worker->welcome();
}

void SimManager::perform(const manager::RefuseWorker& action) {
  if (WorkerConnection* worker = find(action.worker)) worker->refuse(action.refuse);
}

void SimManager::perform(const manager::DrainWorker& action) {
  if (WorkerConnection* worker = find(action.worker)) worker->drain(action.drain);
}

void SimManager::perform(const manager::DismissWorker& action) {
  if (WorkerConnection* worker = find(action.worker)) worker->bye(action.reason);
}

void SimManager::perform(const manager::RememberModel& action) {
  storage_.register_model(action.model);
}

void SimManager::perform(const manager::StoreSettlement& action) {
  storage_.settle(action.settlement,
                  [this, settlement = action.settlement](Result<ImageRecord> stored) {
                    if (mutant_ == Mutant::kNoSettleRetry && !stored.ok()) {
                      stored = Status(StatusCode::kNotFound, "thrown away");
                    }
                    apply(manager::SettlementStored{settlement, std::move(stored)});
                  });
}

void SimManager::perform(const manager::AnnounceSettled& action) {
  const auto row = storage_.rows().find(action.image.job);
  if (row == storage_.rows().end() || row->second.settlements == 0) {
    world_.violate(truth_.name + "job " + std::to_string(action.image.job.value) +
                   " was shown as settled, which the store does not know");
  }
}

// The process ends: what the storage has in hand is finished, then the next one may start.
void SimManager::perform(const manager::FinishShutdown&) {
  world_.loop.after(Duration::zero(), [this, life = lives_] {
    if (!running() || lives_ != life) return;
    storage_.close_in_order();
    end_life();
    if (down_after_leaving_) schedule_start(*std::exchange(down_after_leaving_, std::nullopt));
  });
}

}  // namespace imgrec::simulation
