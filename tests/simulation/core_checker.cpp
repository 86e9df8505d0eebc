#include "tests/simulation/core_checker.h"

#include <algorithm>
#include <variant>

#include "proto/messages.h"

namespace imgrec::simulation {
namespace {

using namespace manager;  // its events and actions, which are this file's subject

constexpr unsigned kMaxTicksAtOnce = 100;

std::string name(JobId job) { return "job " + std::to_string(job.value); }

std::string name(JobId job, std::uint32_t attempt) {
  return name(job) + " attempt " + std::to_string(attempt);
}

}  // namespace

void CoreChecker::before(const CoreEvent& event) {
  std::visit([this](const auto& e) { see(e); }, event);
}

void CoreChecker::after(const CoreAction& action) {
  if (finished_) return violate("an action came after FinishShutdown");
  std::visit([this](const auto& a) { check(a); }, action);
}

void CoreChecker::at_rest(const ManagerCore& core) {
  const SchedulerCounters& counters = core.scheduler().counters();
  // What is decided while a shutdown begins is not handed out.
  const bool assigned =
      shutting_down_ ? counters.assigned >= assigned_ : counters.assigned == assigned_;
  if (!assigned || counters.dropped != dropped_ || counters.resent > counters.assigned) {
    violate("the scheduler's counters say " + std::to_string(counters.assigned) + " assigned and " +
            std::to_string(counters.dropped) + " dropped; there were " + std::to_string(assigned_) +
            " and " + std::to_string(dropped_));
  }
  if (core.scheduler().open_jobs() > core.open_images()) {
    violate("the scheduler has more open jobs than the core has open images");
  }
}

std::string CoreChecker::who(WorkerId worker) const {
  const auto found = workers_.find(worker);
  return "connection " + std::to_string(worker.value) +
         (found == workers_.end() ? "" : " of " + worker_name(found->second.number));
}

// ---- events -----------------------------------------------------------------------------------

void CoreChecker::see(const ImagesAccepted& event) {
  for (const ImageRecord& image : event.images) {
    jobs_.try_emplace(image.job);
    tell({1, image.job.value}, [&] { return "the manager takes " + name(image.job) + " in"; });
  }
}

void CoreChecker::see(const ImageRemoved& event) {
  const auto job = jobs_.find(event.image.job);
  if (job != jobs_.end()) job->second.place = Place::kRemoved;
  tell({2, event.image.job.value},
       [&] { return "the manager hears that " + name(event.image.job) + " is deleted"; });
}

void CoreChecker::see(const WorkerIntroduced& event) {
  Worker& worker = workers_[event.worker];
  worker.number = worker_named(event.hello.name, truth_.workers.size());
  worker.credit = event.hello.credit;
  tell({3, event.worker.value}, [&] {
    return "HELLO of " + who(event.worker) + ", process " + event.hello.instance_id.substr(28) +
           ", credit " + std::to_string(event.hello.credit);
  });
}

void CoreChecker::see(const WorkerSaid& event) {
  if (const auto* outcome = std::get_if<proto::Outcome>(&event.message)) {
    const bool was_out = end(event.worker, outcome->job, outcome->attempt);
    tell({4, event.worker.value, outcome->job.value, outcome->attempt}, [&] {
      return "RESULT for " + name(outcome->job, outcome->attempt) + " from " + who(event.worker) +
             (outcome->from_cache ? ", from its cache" : "") + (was_out ? "" : "; not expected");
    });
  } else if (const auto* fail = std::get_if<proto::Fail>(&event.message)) {
    const bool was_out = end(event.worker, fail->job, fail->attempt);
    if (was_out && fail->code == proto::FailCode::kDraining) workers_[event.worker].draining = true;
    tell({5, event.worker.value, fail->job.value, fail->attempt}, [&] {
      return "FAIL for " + name(fail->job, fail->attempt) + " from " + who(event.worker) + ": " +
             fail->text + (was_out ? "" : " Not expected.");
    });
  } else if (std::holds_alternative<proto::Drain>(event.message) ||
             std::holds_alternative<proto::Bye>(event.message)) {
    const auto worker = workers_.find(event.worker);
    if (worker != workers_.end()) worker->second.draining = true;
    tell({6, event.worker.value}, [&] { return who(event.worker) + " says that it leaves"; });
  }
}

void CoreChecker::see(const WorkerDisconnected& event) {
  tell({7, event.worker.value}, [&] { return who(event.worker) + " has ended"; });
  end_all_of(event.worker);
}

void CoreChecker::see(const BytesUnreadable& event) {
  end(event.worker, event.job, event.attempt);
  tell({8, event.job.value}, [&] { return "the bytes of " + name(event.job) + " cannot be read"; });
}

void CoreChecker::see(const SettlementStored& event) {
  Job& job = jobs_[event.settlement.job];
  job.storing = false;
  if (event.stored.ok() && job.place == Place::kSettling) job.place = Place::kSettled;
  tell({9, event.settlement.job.value, event.stored.ok()}, [&] {
    return "the manager hears that " + name(event.settlement.job) +
           (event.stored.ok() ? " is stored" : ": " + event.stored.status().to_string());
  });
}

void CoreChecker::see(const ShutdownRequested& event) {
  shutting_down_ = true;
  tell({10}, [&] {
    return "the manager is asked to leave within " + std::to_string(event.grace.count()) + " ms";
  });
}

void CoreChecker::see(const Tick&) {
  ticks_at_once_ = world_.now() == last_tick_ ? ticks_at_once_ + 1 : 0;
  last_tick_ = world_.now();
  if (ticks_at_once_ > kMaxTicksAtOnce) {
    violate("the core's deadline has passed and stays so: ticks at one time without end");
  }
}

// ---- actions ----------------------------------------------------------------------------------

void CoreChecker::check(const AssignJob& action) {
  ++assigned_;
  const std::string what = name(action.job, action.attempt);
  tell({20, action.worker.value, action.job.value, action.attempt}, [&] {
    return "assigned " + what + " to " + who(action.worker) + ", to be answered within " +
           std::to_string(action.deadline.count()) + " ms";
  });
  const auto worker = workers_.find(action.worker);
  if (worker == workers_.end() || !worker->second.welcome) {
    return violate(what + " was assigned to a worker that is not there");
  }
  const auto job = jobs_.find(action.job);
  if (job == jobs_.end() || job->second.place != Place::kOpen) {
    return violate(what + " was assigned, but the job is not open");
  }
  std::vector<Attempt>& attempts = job->second.attempts;
  if (action.attempt != attempts.size() + 1) {
    violate(what + " was assigned after attempt " + std::to_string(attempts.size()));
  }
  if (shutting_down_) violate(what + " was assigned after the shutdown had begun");
  if (worker->second.draining) violate(what + " was assigned to a worker that leaves");
  if (action.deadline <= action.deadline.zero()) violate(what + " has no deadline");
  if (++worker->second.held > worker->second.credit) {
    violate(who(action.worker) + " holds more than its credit of " +
            std::to_string(worker->second.credit) + " with " + what);
  }
  ++attempts_out_;
  attempts.push_back({action.attempt, action.worker, world_.now()});
}

void CoreChecker::check(const CancelAttempt& action) {
  tell({21, action.worker.value, action.job.value, action.attempt}, [&] {
    return "cancelled " + name(action.job, action.attempt) + " at " + who(action.worker);
  });
  end(action.worker, action.job, action.attempt);
}

void CoreChecker::check(const DropReport& action) {
  ++dropped_;
  tell({22, action.worker.value, action.job.value, action.attempt}, [&] {
    return "dropped the report of " + name(action.job, action.attempt) + " from " +
           who(action.worker);
  });
}

void CoreChecker::check(const WelcomeWorker& action) {
  const auto worker = workers_.find(action.worker);
  if (worker == workers_.end() || worker->second.welcome) {
    return violate(who(action.worker) + " was welcomed without a HELLO");
  }
  worker->second.welcome = true;
  if (shutting_down_) violate(who(action.worker) + " was welcomed during the shutdown");
}

void CoreChecker::check(const RefuseWorker& action) {
  tell({23, action.worker.value},
       [&] { return "refused " + who(action.worker) + ": " + action.refuse.reason; });
}

void CoreChecker::check(const DismissWorker& action) {
  tell({24, action.worker.value},
       [&] { return "dismissed " + who(action.worker) + ": " + action.reason; });
  end_all_of(action.worker);
}

void CoreChecker::check(const StoreSettlement& action) {
  const JobId id = action.settlement.job;
  const auto job = jobs_.find(id);
  if (job == jobs_.end()) return violate(name(id) + " is settled, but was never accepted");
  tell({25, id.value, action.settlement.done}, [&] {
    return "decided: " + name(id) + " is " +
           (action.settlement.done ? "done by " + action.settlement.worker
                                   : "failed, " + action.settlement.error->code);
  });
  if (job->second.storing) violate(name(id) + " is settled again while it is being stored");
  if (job->second.place == Place::kSettled) violate(name(id) + " is settled twice");
  job->second.storing = true;
  if (job->second.place == Place::kOpen) job->second.place = Place::kSettling;
  const auto& attempts = job->second.attempts;
  truth_.images[id].disturbed = static_cast<unsigned>(
      std::count_if(attempts.begin(), attempts.end(),
                    [this](const Attempt& a) { return a.disturbed || (a.out && disturbed(a)); }));
}

void CoreChecker::check(const AnnounceSettled& action) {
  const JobId id = action.image.job;
  tell({26, id.value}, [&] { return "shown: " + name(id) + " is settled"; });
  if (!truth_.images[id].lives_shown.insert(life_).second) {
    violate(name(id) + " was shown as settled twice");
  }
  const auto job = jobs_.find(id);
  if (action.image.settle_seq == 0 || job == jobs_.end() || job->second.storing) {
    violate(name(id) + " was shown as settled before it was stored");
  }
}

void CoreChecker::check(const FinishShutdown& action) {
  finished_ = true;
  tell({27, action.unfinished}, [&] {
    return "the manager leaves with " + std::to_string(action.unfinished) + " images in flight";
  });
}

// ---- books ------------------------------------------------------------------------------------

bool CoreChecker::disturbed(const Attempt& attempt) const {
  const auto worker = workers_.find(attempt.worker);
  if (worker == workers_.end() || worker->second.number >= truth_.workers.size()) return false;
  const WorkerTruth& truth = truth_.workers[worker->second.number];
  return truth.slow_link || truth_.disturbed_until(worker->second.number) >= attempt.assigned;
}

void CoreChecker::end(Attempt& attempt) {
  attempt.disturbed = disturbed(attempt);
  attempt.out = false;
  --attempts_out_;
  --workers_.at(attempt.worker).held;
}

bool CoreChecker::end(WorkerId worker, JobId job, std::uint32_t number) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end() || number == 0 || number > found->second.attempts.size()) return false;
  Attempt& attempt = found->second.attempts[number - 1];
  if (attempt.worker != worker || !attempt.out) return false;
  end(attempt);
  return true;
}

void CoreChecker::end_all_of(WorkerId worker) {
  for (auto& [id, job] : jobs_) {
    for (Attempt& attempt : job.attempts) {
      if (attempt.worker == worker && attempt.out) end(attempt);
    }
  }
  if (const auto found = workers_.find(worker); found != workers_.end()) {
    found->second.welcome = false;
  }
}

}  // namespace imgrec::simulation
