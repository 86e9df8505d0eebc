#include "manager/core/scheduler.h"

#include <algorithm>
#include <set>
#include <utility>

#include "manager/core/scheduler_impl.h"

namespace imgrec::manager {
namespace {

using proto::CancelReason;
using proto::FailCode;

// A retriable failure is tried again, elsewhere where there is another worker, up to this often.
constexpr unsigned kMaxFailures = 5;

// Strikes of one job that are taken back.
constexpr unsigned kMaxForgiven = 5;

// A timed-out attempt holds its slot for this many further timeouts: the worker is still busy with
// it. Then the slot is taken back, so that a lost answer does not cost it for ever.
constexpr int kWriteOffAfterTimeouts = 3;

// Blame reaches the oldest attempts of a dead worker only. A job that was on this many times
// quarantine_after workers when they died is no bystander, wherever it stood in the line.
constexpr unsigned kLossesPerStrike = 4;

constexpr std::size_t kMaxWrittenOff = 8;  // remembered per job

// What an image costs of its session's turn besides its bytes, in bytes: computing it takes as long
// as carrying and decoding so many.
constexpr std::uint64_t kCostOfAnImage = 1u << 20;

std::string settle_code(FailCode code) {
  switch (code) {
    case FailCode::kNotAnImage:
      return "not_an_image";
    case FailCode::kDamaged:
      return "damaged_image";
    case FailCode::kTooManyPixels:
      return "too_many_pixels";
    case FailCode::kInference:
      return "inference_failed";
    case FailCode::kDraining:
    case FailCode::kOverCredit:
    case FailCode::kDeadline:
    case FailCode::kInternal:
      break;
  }
  return "worker_error";
}

}  // namespace

bool Scheduler::Impl::Job::live() const {
  return std::any_of(out.begin(), out.end(), [](AttemptRef a) { return !a->timed_out; });
}

std::vector<Action> Scheduler::Impl::on_event(const Event& event, TimePoint now) {
  now_ = now;
  actions_.clear();
  std::visit([this](const auto& e) { handle(e); }, event);
  expire();
  dispatch();
  return std::exchange(actions_, {});
}

// ---- events -----------------------------------------------------------------------------------

void Scheduler::Impl::handle(const JobAdded& event) {
  const auto [job, added] = jobs_.try_emplace(event.job);
  if (!added) return;
  job->second.session = event.session;
  job->second.bytes = event.bytes;
  job->second.added = now_;
  queue_.push(event.job, event.session, kCostOfAnImage + event.bytes);
}

void Scheduler::Impl::handle(const JobCancelled& event) {
  const auto job = find_job(event.job);
  if (job == jobs_.end()) return;
  cancel_attempts(job->second, CancelReason::kDeleted);
  forget(job);
}

void Scheduler::Impl::handle(const AttemptSucceeded& event) {
  const auto worker = workers_.find(event.worker);
  if (worker != workers_.end()) answered(worker->second);
  const auto job = find_job(event.job);
  if (job == jobs_.end()) return drop(event.worker, event.job, event.attempt);

  const auto out = find_out(job->second, event.worker, event.attempt);
  if (out != job->second.out.end()) {
    const AttemptRef attempt = *out;
    const TimePoint assigned = attempt->assigned;
    const bool hedge = attempt->hedge;
    if (!event.from_cache) worker->second.measure(*attempt, event.computed, now_);
    worker->second.health().on_success();
    release(job->second, attempt);
    return win(job, event, assigned, hedge);
  }
  for (const WrittenOff& late : job->second.written_off) {
    if (late.worker == event.worker && late.number == event.attempt) {
      return win(job, event, late.assigned, late.hedge);
    }
  }
  drop(event.worker, event.job, event.attempt);
}

void Scheduler::Impl::handle(const AttemptFailed& event) {
  const auto worker = workers_.find(event.worker);
  // Giving up at the deadline says that the connection works, not that the worker does.
  if (worker != workers_.end() && event.code != FailCode::kDeadline) answered(worker->second);
  const auto job = find_job(event.job);
  if (job == jobs_.end()) return drop(event.worker, event.job, event.attempt);
  const auto out = find_out(job->second, event.worker, event.attempt);
  if (out == job->second.out.end()) return drop(event.worker, event.job, event.attempt);

  switch (event.code) {
    case FailCode::kDraining:
    case FailCode::kOverCredit:
    case FailCode::kDeadline:
      return hand_back(job, *out, event);
    default:
      break;
  }
  release(job->second, *out);
  ++job->second.failures;
  // The same image that fails again on the same worker says nothing new about the worker.
  const bool own_fault = event.code == FailCode::kInference || event.code == FailCode::kInternal;
  const bool again = contains(job->second.avoid, event.worker);
  if (own_fault && event.by_worker && !again) blame(worker->second);
  if (!event.retriable || job->second.failures >= kMaxFailures) {
    return settle_failed(job, settle_code(event.code), event.text, CancelReason::kSettledElsewhere);
  }
  auto& avoid = job->second.avoid;
  if (!contains(avoid, event.worker)) avoid.push_back(event.worker);
  retry_or_quarantine(job);
}

void Scheduler::Impl::hand_back(Jobs::iterator job, AttemptRef attempt,
                                const AttemptFailed& event) {
  WorkerState& worker = workers_.at(event.worker);
  const bool in_time = !attempt->timed_out;
  if (event.code == FailCode::kDeadline) {
    if (in_time) stop_waiting_for(job->second, attempt);
    forgive(job->second, attempt);
    worker.absolve(attempt);
  } else if (in_time) {
    ++counters_.requeued;
  }
  release(job->second, attempt);
  if (event.code == FailCode::kDraining) worker.draining = true;
  // An honest worker gives up later than we do, as the attempt was on its way.
  const bool too_soon = event.code == FailCode::kDeadline && in_time;
  if (event.code == FailCode::kOverCredit || too_soon) pause(worker);
  refresh(worker);
  retry_or_quarantine(job);
}

void Scheduler::Impl::expire() {
  while (const auto timer = timers_.pop_due(now_)) {
    if (timer->job != JobId{}) {
      on_attempt_timer(*timer);
    } else {
      on_worker_timer(*timer);
    }
  }
}

void Scheduler::Impl::on_attempt_timer(const Timer& timer) {
  const auto job = find_job(timer.job);
  const AttemptRef attempt = *find_out(job->second, timer.worker, timer.attempt);
  if (attempt->timed_out) {
    write_off(job, attempt);
  } else {
    time_out(job, attempt);
  }
}

// ---- the life of a job ------------------------------------------------------------------------

void Scheduler::Impl::win(Jobs::iterator job, const AttemptSucceeded& event, TimePoint assigned,
                          bool hedge) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  actions_.push_back(
      SettleDone{event.job, event.worker, job->second.attempts,
                 duration_cast<microseconds>(job->second.first_assigned - job->second.added),
                 duration_cast<microseconds>(now_ - assigned)});
  if (hedge) ++counters_.hedges_won;
  cancel_attempts(job->second, CancelReason::kSettledElsewhere);
  forget(job);
}

void Scheduler::Impl::settle_failed(Jobs::iterator job, std::string code, std::string detail,
                                    CancelReason reason) {
  actions_.push_back(
      SettleFailed{job->first, job->second.attempts, std::move(code), std::move(detail)});
  cancel_attempts(job->second, reason);
  forget(job);
}

void Scheduler::Impl::time_out(Jobs::iterator job, AttemptRef attempt) {
  // One that waits to be computed, decoded ahead, may kill its worker but cannot hang it.
  const bool could_hang = attempt->computing || attempt->in_hand;
  attempt->struck = could_hang && to_blame(attempt);
  stop_waiting_for(job->second, attempt);
  if (attempt->struck) strike(job->second, attempt->worker);
  retry_or_quarantine(job);
}

// It goes elsewhere; its answer stays welcome for a while.
void Scheduler::Impl::stop_waiting_for(Job& job, AttemptRef attempt) {
  ++counters_.timed_out;
  WorkerState& worker = workers_.at(attempt->worker);
  unexpect(attempt);
  const bool again = contains(job.avoid, worker.id());
  if (worker.mark_timed_out(attempt, now_) && !again) blame(worker);
  refresh(worker);
  clear_timer(*attempt);
  set_timer(*attempt, now_ + std::min(attempt->timeout * kWriteOffAfterTimeouts,
                                      std::max(attempt->timeout, options_.max_timeout)));
  if (!again) job.avoid.push_back(worker.id());
}

void Scheduler::Impl::write_off(Jobs::iterator job, AttemptRef attempt) {
  auto& written_off = job->second.written_off;
  if (written_off.size() == kMaxWrittenOff) written_off.erase(written_off.begin());
  written_off.push_back(
      WrittenOff{attempt->number, attempt->worker, attempt->assigned, attempt->hedge});
  actions_.push_back(
      CancelAttempt{attempt->worker, attempt->job, attempt->number, CancelReason::kTimedOut});
  release(job->second, attempt);
}

// A worker that had hung before is not the victim of what comes afterwards. A job that was one of
// several that may have hung it was struck for that once; one that was alone has hung it again.
bool Scheduler::Impl::to_blame(AttemptRef attempt) {
  WorkerState& worker = workers_.at(attempt->worker);
  if (!worker.suspect) return worker.may_be_working_on(attempt);
  return attempt->in_hand || worker.hung_by() == attempt->job;
}

void Scheduler::Impl::strike(Job& job, WorkerId worker) {
  job.strikes.push_back(worker);
  // Its copy that is out elsewhere (a hedge) was not suspicious when it was assigned.
  for (const AttemptRef copy : job.out) {
    if (!copy->timed_out) workers_.at(copy->worker).isolate(copy);
  }
}

// Its worker says that it had not begun: whatever hung that, it was not this job. Not for ever, as
// workers may lie, or be of a release that says so of what hangs its decoder.
void Scheduler::Impl::forgive(Job& job, AttemptRef attempt) {
  if (!attempt->struck || job.forgiven == kMaxForgiven) return;
  ++job.forgiven;
  attempt->struck = false;
  job.strikes.erase(std::find(job.strikes.begin(), job.strikes.end(), attempt->worker));
}

void Scheduler::Impl::retry_or_quarantine(Jobs::iterator job) {
  if (job->second.live()) return;
  if (to_be_quarantined(job->second)) {
    settle_failed(job, "quarantined",
                  "This image was set aside: " + std::to_string(job->second.strikes.size()) +
                      " attempts to recognise it ended with the worker stopped or not answering. "
                      "Other images are not affected. If it opens in a picture viewer, save it "
                      "again as JPEG or PNG and upload that copy.",
                  CancelReason::kTimedOut);
    return;
  }
  if (job->second.place != Place::kOut) return;
  job->second.place = Place::kRetryLane;
  retries_.insert(job->first);
}

bool Scheduler::Impl::to_be_quarantined(const Job& job) const {
  const unsigned limit = options_.quarantine_after;
  if (limit == 0) return false;
  if (job.losses >= limit * kLossesPerStrike) return true;
  if (job.strikes.size() < limit) return false;
  const std::set<WorkerId> struck(job.strikes.begin(), job.strikes.end());
  if (struck.size() >= limit) return true;
  // Not that many workers were struck: enough only where no other one is left to try.
  std::size_t struck_and_usable = 0;
  for (const WorkerId id : struck) {
    const auto worker = workers_.find(id);
    if (worker != workers_.end() && worker->second.usable()) ++struck_and_usable;
  }
  return struck_and_usable == usable_;
}

void Scheduler::Impl::cancel_attempts(Job& job, CancelReason reason) {
  while (!job.out.empty()) {
    const AttemptRef attempt = job.out.back();
    actions_.push_back(CancelAttempt{attempt->worker, attempt->job, attempt->number, reason});
    release(job, attempt);
  }
}

void Scheduler::Impl::forget(Jobs::iterator job) {
  if (job->second.place == Place::kFairQueue) queue_.erase(job->first);
  if (job->second.place == Place::kRetryLane) retries_.erase(job->first);
  jobs_.erase(job);
}

void Scheduler::Impl::drop(WorkerId worker, JobId job, std::uint32_t attempt) {
  ++counters_.dropped;
  actions_.push_back(DropReport{worker, job, attempt});
}

// ---- bookkeeping ------------------------------------------------------------------------------

std::vector<AttemptRef>::iterator Scheduler::Impl::find_out(Job& job, WorkerId worker,
                                                            std::uint32_t number) {
  return std::find_if(job.out.begin(), job.out.end(), [&](AttemptRef attempt) {
    return attempt->worker == worker && attempt->number == number;
  });
}

void Scheduler::Impl::release(Job& job, AttemptRef attempt) {
  WorkerState& worker = workers_.at(attempt->worker);
  clear_timer(*attempt);
  unexpect(attempt);
  remove_out(job, attempt);
  worker.release(attempt, now_);
  refresh(worker);
}

void Scheduler::Impl::remove_out(Job& job, AttemptRef attempt) {
  job.out.erase(std::find(job.out.begin(), job.out.end(), attempt));
  if (job.out.empty()) --jobs_out_;
}

void Scheduler::Impl::set_timer(Attempt& attempt, TimePoint at) {
  attempt.timer = at;
  timers_.add(Timer{at, attempt.worker, attempt.job, attempt.number});
}

void Scheduler::Impl::clear_timer(const Attempt& attempt) {
  timers_.remove(Timer{attempt.timer, attempt.worker, attempt.job, attempt.number});
}

std::optional<TimePoint> Scheduler::Impl::next_deadline() const {
  const auto next = timers_.next();
  if (!next || !hedge_check_) return next ? next : hedge_check_;
  return std::min(*next, *hedge_check_);
}

// ---- figures ----------------------------------------------------------------------------------

std::optional<Scheduler::JobView> Scheduler::Impl::job(JobId id) const {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return std::nullopt;
  return JobView{!found->second.out.empty(), found->second.attempts, found->second.newest};
}

bool Scheduler::Impl::holds(WorkerId worker, JobId job, std::uint32_t attempt) const {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return false;
  const auto& out = found->second.out;
  return std::any_of(out.begin(), out.end(), [&](AttemptRef each) {
    return each->worker == worker && each->number == attempt;
  });
}

// ---- the public face --------------------------------------------------------------------------

Scheduler::Scheduler(SchedulerOptions options) : impl_(std::make_unique<Impl>(options)) {}
Scheduler::~Scheduler() = default;
std::vector<Action> Scheduler::on_event(const Event& event, TimePoint now) {
  return impl_->on_event(event, now);
}
std::optional<TimePoint> Scheduler::next_deadline() const { return impl_->next_deadline(); }
std::optional<Scheduler::WorkerView> Scheduler::worker(WorkerId worker) const {
  return impl_->worker(worker);
}
std::optional<Scheduler::JobView> Scheduler::job(JobId job) const { return impl_->job(job); }
bool Scheduler::holds(WorkerId worker, JobId job, std::uint32_t attempt) const {
  return impl_->holds(worker, job, attempt);
}
std::size_t Scheduler::open_jobs() const { return impl_->open_jobs(); }
std::size_t Scheduler::queued_jobs() const { return impl_->queued_jobs(); }
const SchedulerCounters& Scheduler::counters() const { return impl_->counters(); }

}  // namespace imgrec::manager
