#include "worker/core/worker_core.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace imgrec::worker {
namespace {

using proto::FailCode;

std::uint16_t saturate(std::size_t n) {
  return static_cast<std::uint16_t>(std::min<std::size_t>(n, 0xFFFF));
}

}  // namespace

bool transition_allowed(WorkerState from, WorkerState to) {
  switch (from) {
    case WorkerState::kServing:
      return to == WorkerState::kDraining || to == WorkerState::kLeft;
    case WorkerState::kDraining:
      return to == WorkerState::kLeft;
    case WorkerState::kLeft:
      return false;
  }
  return false;
}

WorkerCounters& WorkerCounters::operator+=(const WorkerCounters& more) {
  assigned += more.assigned;
  done += more.done;
  failed += more.failed;
  returned += more.returned;
  from_cache += more.from_cache;
  unwanted += more.unwanted;
  inferences += more.inferences;
  decode += more.decode;
  inference += more.inference;
  return *this;
}

WorkerCore::WorkerCore(WorkerCoreOptions options)
    : options_(std::move(options)), cache_(options_.cached_answers) {
  assert(options_.fail_probability <= 0 || options_.random);
}

std::vector<Action> WorkerCore::on_event(Event event, TimePoint now) {
  actions_.clear();
  if (state_ != WorkerState::kLeft) {
    expire(now);
    std::visit([&](auto&& e) { handle(std::move(e), now); }, std::move(event));
  }
  if (state_ != WorkerState::kLeft) {
    dispatch();
    say_goodbyes();
  }
  // A stream that got free works on while its last answer is being sent.
  std::stable_partition(actions_.begin(), actions_.end(), [](const Action& action) {
    return std::holds_alternative<StartInfer>(action);
  });
  return std::exchange(actions_, {});
}

std::optional<TimePoint> WorkerCore::next_deadline() const {
  if (state_ == WorkerState::kLeft) return std::nullopt;
  std::optional<TimePoint> next = drain_deadline_;
  for (const auto& [id, work] : work_) {
    if (in_hand(work.stage)) continue;
    for (const Waiter& waiter : work.waiters) {
      if (waiter.expires && (!next || *waiter.expires < *next)) next = waiter.expires;
    }
  }
  return next;
}

proto::Load WorkerCore::load() const {
  const std::size_t running = count(Stage::kInferring);
  const auto queued = std::count_if(work_.begin(), work_.end(), [](const auto& entry) {
    return entry.second.stage != Stage::kInferring && !entry.second.waiters.empty();
  });
  return {saturate(static_cast<std::size_t>(queued)), saturate(running)};
}

// ---- links ------------------------------------------------------------------------------------

void WorkerCore::handle(LinkUp&& event, TimePoint) {
  // A link that comes up while the worker drains is told so at once.
  if (state_ == WorkerState::kDraining) {
    actions_.push_back(SendBye{event.link, drain_reason_});
    return;
  }
  links_[event.link] = {std::move(event.manager_id)};
}

void WorkerCore::handle(LinkLost&& event, TimePoint) {
  auto lost = links_.extract(event.link);
  if (lost.empty()) return;
  remove_waiters([&](const Work&, const Waiter& waiter) { return waiter.link == event.link; });
  forget_idle(lost.mapped().manager_id);
}

void WorkerCore::handle(ManagerDraining&& event, TimePoint) {
  const auto link = links_.find(event.link);
  if (link == links_.end()) return;
  link->second.goodbye = "finished; you drain";  // say_goodbyes() does the rest
  hand_back("The manager is leaving; this worker had not begun.",
            [&](const Waiter& waiter) { return waiter.link == event.link; });
}

void WorkerCore::handle(LinkRetired&& event, TimePoint) {
  const auto found = links_.find(event.link);
  if (found == links_.end()) return;
  Link& link = found->second;
  if (!link.drain_sent) actions_.push_back(SendDrain{event.link, {event.deadline, event.reason}});
  link.drain_sent = true;
  link.goodbye = std::move(event.reason);
  hand_back("Another connection of this worker takes over; this one had not begun.",
            [&](const Waiter& waiter) { return waiter.link == event.link; });
}

// ---- jobs -------------------------------------------------------------------------------------

void WorkerCore::handle(JobAssigned&& event, TimePoint now) {
  const auto link = links_.find(event.link);
  if (link == links_.end()) return;
  ++counters_.assigned;
  if (fails_on_purpose()) {
    leave(1, kFailOnPurposeReason, std::string(kFailOnPurposeReason));
    return;
  }
  proto::Assign& assign = event.assign;
  const JobKey key{link->second.manager_id, assign.job};
  if (answer_from_cache(event.link, key, assign)) return;

  Waiter waiter{event.link, assign.attempt, assign.top_k, now, std::nullopt};
  if (assign.deadline > assign.deadline.zero()) waiter.expires = now + assign.deadline;
  if (join(key, event, waiter)) return;

  if (state_ == WorkerState::kDraining || link->second.leaving()) {
    fail(event.link, assign.job, assign.attempt, FailCode::kDraining, true,
         "This worker is leaving and takes no new work.");
    return;
  }
  if (auto why = over_credit(event.link, key, assign.image->size()); !why.empty()) {
    fail(event.link, assign.job, assign.attempt, FailCode::kOverCredit, true, std::move(why));
    return;
  }
  add_work(key, std::move(assign.image), waiter);
}

std::string WorkerCore::over_credit(LinkId link, const JobKey& key, std::size_t bytes) const {
  if (held(link) >= options_.credit) {
    return "This worker holds " + std::to_string(options_.credit) +
           " attempts already, which is its credit.";
  }
  std::set<std::string_view> managers;
  for (const auto& [id, each] : links_) managers.insert(each.manager_id);
  const std::uint64_t share = options_.max_held_bytes / managers.size();
  std::uint64_t held_bytes = 0;
  for (const auto& [id, work] : work_) {
    if (work.image && work.key.manager_id == key.manager_id) held_bytes += work.image->size();
  }
  if (held_bytes == 0 || held_bytes + bytes <= share) return {};
  return "This worker holds " + std::to_string(held_bytes) + " bytes of this manager's images; " +
         std::to_string(share) + " is its share of what this worker holds for " +
         std::to_string(managers.size()) + " manager(s).";
}

void WorkerCore::add_work(JobKey key, proto::SharedBytes image, Waiter waiter) {
  const bool first = std::none_of(work_.begin(), work_.end(), [&](const auto& entry) {
    return entry.second.key.manager_id == key.manager_id;
  });
  if (first) turns_.wakes(key.manager_id);
  Work work;
  work.key = std::move(key);
  work.image = std::move(image);
  work.waiters.push_back(waiter);
  work_.emplace(WorkId{next_work_++}, std::move(work));
}

bool WorkerCore::fails_on_purpose() {
  return options_.fail_probability > 0 && options_.random() < options_.fail_probability;
}

bool WorkerCore::answer_from_cache(LinkId link, const JobKey& key, const proto::Assign& assign) {
  const Answer* answer = cache_.find(key);
  if (answer == nullptr) return false;
  if (const auto* failure = std::get_if<EngineFailure>(&answer->result)) {
    ++counters_.from_cache;
    fail(link, key.job, assign.attempt, failure->code, failure->retriable, failure->text);
    return true;
  }
  if (answer->top_k < assign.top_k) return false;  // more classes are wanted than were kept
  ++counters_.from_cache;
  ++counters_.done;
  proto::Outcome outcome;
  outcome.job = key.job;
  outcome.attempt = assign.attempt;
  outcome.from_cache = true;  // its timing is zero: this attempt cost nothing
  outcome.top = std::get<std::vector<proto::ScoredClass>>(answer->result);
  if (outcome.top.size() > assign.top_k) outcome.top.resize(assign.top_k);
  actions_.push_back(SendOutcome{link, std::move(outcome)});
  return true;
}

bool WorkerCore::join(const JobKey& key, const JobAssigned& event, const Waiter& waiter) {
  const auto found = find(key);
  if (found == work_.end()) return false;
  std::vector<Waiter>& waiters = found->second.waiters;
  const auto same = std::find_if(waiters.begin(), waiters.end(),
                                 [&](const Waiter& w) { return w.link == event.link; });
  if (same != waiters.end()) {
    if (waiter.attempt > same->attempt) *same = waiter;
    return true;
  }
  // Nobody on this link waits for it: it was cancelled, or came over an earlier connection. What
  // has not begun is refused below like any other new attempt while the worker drains.
  const bool leaving = state_ == WorkerState::kDraining || links_[event.link].leaving();
  if (leaving && found->second.stage != Stage::kInferring) return false;
  if (held(event.link) >= options_.credit) return false;
  waiters.push_back(waiter);
  return true;
}

void WorkerCore::handle(AttemptCancelled&& event, TimePoint) {
  remove_waiters([&](const Work& work, const Waiter& waiter) {
    return waiter.link == event.link && work.key.job == event.cancel.job &&
           waiter.attempt <= event.cancel.attempt;
  });
}

// ---- computing --------------------------------------------------------------------------------

void WorkerCore::handle(PrepareDone&& event, TimePoint now) {
  const auto found = work_.find(event.work);
  if (found == work_.end() || found->second.stage != Stage::kPreparing) return;
  Work& work = found->second;
  work.decode = event.decode;
  counters_.decode.add(event.decode);
  work.image.reset();
  if (auto* failure = std::get_if<EngineFailure>(&event.result)) {
    finish(found, {std::move(*failure), 0}, {}, now);
    return;
  }
  if (work.waiters.empty()) {  // cancelled meanwhile: not worth an inference
    ++counters_.unwanted;
    erase(found);
    return;
  }
  work.prepared = std::get<std::shared_ptr<const PreparedImage>>(std::move(event.result));
  work.stage = Stage::kPrepared;
  // What took too long to decode was begun, and is answered late.
  for (Waiter& waiter : work.waiters) {
    if (waiter.expires && *waiter.expires <= now) waiter.expires.reset();
  }
}

void WorkerCore::handle(InferDone&& event, TimePoint now) {
  const bool known = std::any_of(
      event.pictures.begin(), event.pictures.end(), [&](const InferDone::Picture& picture) {
        const auto found = work_.find(picture.work);
        return found != work_.end() && found->second.stage == Stage::kInferring;
      });
  if (!known) return;
  assert(busy_streams_ > 0);
  --busy_streams_;
  ++counters_.inferences;
  // Each waited for all of it, and is charged its share.
  const auto share = event.inference / std::max<std::int64_t>(std::ssize(event.pictures), 1);
  for (InferDone::Picture& picture : event.pictures) {
    const auto found = work_.find(picture.work);
    if (found == work_.end() || found->second.stage != Stage::kInferring) continue;
    Work& work = found->second;
    counters_.inference.add(share);
    const FairTurns::Duration took = work.decode + share;
    turns_.ends(work.key.manager_id, std::exchange(work.charged, {}), took);
    turns_.learn(took);
    finish(found, {std::move(picture.result), work.top_k}, event.inference, now);
  }
}

void WorkerCore::finish(WorkMap::iterator found, Answer answer, std::chrono::microseconds inference,
                        TimePoint now) {
  const Work& work = found->second;
  const auto* failure = std::get_if<EngineFailure>(&answer.result);
  if (work.waiters.empty()) ++counters_.unwanted;
  for (const Waiter& waiter : work.waiters) {
    if (failure != nullptr) {
      fail(waiter.link, work.key.job, waiter.attempt, failure->code, failure->retriable,
           failure->text);
      continue;
    }
    ++counters_.done;
    proto::Outcome outcome;
    outcome.job = work.key.job;
    outcome.attempt = waiter.attempt;
    outcome.timing.decode = work.decode;
    outcome.timing.inference = inference;
    // All the rest of the time here was waiting; less than none for an attempt that joined late.
    const auto here = std::chrono::duration_cast<std::chrono::microseconds>(now - waiter.received);
    outcome.timing.queue =
        std::max(here - work.decode - inference, std::chrono::microseconds::zero());
    outcome.top = std::get<std::vector<proto::ScoredClass>>(answer.result);
    if (outcome.top.size() > waiter.top_k) outcome.top.resize(waiter.top_k);
    actions_.push_back(SendOutcome{waiter.link, std::move(outcome)});
  }
  // A failure that may go away is not remembered: the next attempt shall try again.
  if (failure == nullptr || !failure->retriable) cache_.insert(work.key, std::move(answer));
  erase(found);
}

void WorkerCore::dispatch() {
  start_inferences();
  start_decodes();
}

void WorkerCore::start_inferences() {
  while (busy_streams_ < options_.streams) {
    StartInfer next = next_batch();
    if (next.pictures.empty()) return;
    ++busy_streams_;
    actions_.push_back(std::move(next));
  }
}

// What is decoded, in the order in which that was begun: a whole batch, or one where there is less,
// as others would only wait for one another.
StartInfer WorkerCore::next_batch() {
  std::vector<WorkMap::iterator> batch;
  for (auto each = work_.begin(); each != work_.end(); ++each) {
    if (each->second.stage == Stage::kPrepared) batch.push_back(each);
  }
  const auto earlier = [](const auto& a, const auto& b) { return a->second.turn < b->second.turn; };
  std::sort(batch.begin(), batch.end(), earlier);
  const std::size_t count = options_.batches.filled_by(batch.size());
  if (batch.size() > count) batch.resize(count);
  StartInfer start;
  for (const auto& each : batch) {
    for (const Waiter& waiter : each->second.waiters) {
      start.top_k = std::max(start.top_k, waiter.top_k);
    }
  }
  for (const auto& each : batch) {
    Work& work = each->second;
    work.top_k = start.top_k;
    work.stage = Stage::kInferring;
    start.pictures.push_back({each->first, std::move(work.prepared)});
  }
  return start;
}

void WorkerCore::start_decodes() {
  const std::size_t ahead = std::size_t{options_.streams} * options_.batches.largest();
  while (count(Stage::kPreparing) < options_.decoders && count(Stage::kPrepared) < ahead) {
    const auto next = next_waiting();
    if (next == work_.end()) return;
    Work& work = next->second;
    work.charged = turns_.begins(work.key.manager_id);
    work.turn = ++last_turn_;
    work.stage = Stage::kPreparing;
    actions_.push_back(StartPrepare{next->first, work.image});
  }
}

// The oldest one of the manager whose turn it is.
WorkerCore::WorkMap::iterator WorkerCore::next_waiting() {
  std::set<std::string> managers;
  for (const auto& [id, work] : work_) {
    if (work.stage == Stage::kWaiting) managers.insert(work.key.manager_id);
  }
  if (managers.empty()) return work_.end();
  const std::string manager = turns_.choose(managers);
  return std::find_if(work_.begin(), work_.end(), [&](const auto& entry) {
    return entry.second.stage == Stage::kWaiting && entry.second.key.manager_id == manager;
  });
}

// ---- time -------------------------------------------------------------------------------------

void WorkerCore::handle(Tick&&, TimePoint now) {
  if (!drain_deadline_ || now < *drain_deadline_) return;
  for (const auto& [id, work] : work_) {
    for (const Waiter& waiter : work.waiters) {
      fail(waiter.link, work.key.job, waiter.attempt, FailCode::kDraining, true,
           "This worker is leaving and could not finish in time.");
    }
  }
  leave(0, drain_reason_, drain_reason_ + "; the deadline passed with work in progress");
}

void WorkerCore::expire(TimePoint now) {
  remove_waiters([&](const Work& work, const Waiter& waiter) {
    if (in_hand(work.stage) || !waiter.expires || *waiter.expires > now) return false;
    fail(waiter.link, work.key.job, waiter.attempt, FailCode::kDeadline, true,
         "The deadline passed before this worker could begin.");
    return true;
  });
}

// ---- leaving ----------------------------------------------------------------------------------

void WorkerCore::handle(DrainRequested&& event, TimePoint now) {
  if (state_ != WorkerState::kServing) return;
  transition(WorkerState::kDraining);
  drain_deadline_ = now + event.deadline;
  drain_reason_ = std::move(event.reason);
  for (auto& [id, link] : links_) {
    if (!link.drain_sent) actions_.push_back(SendDrain{id, {event.deadline, drain_reason_}});
    link.drain_sent = true;
  }
  hand_back("This worker is leaving; it had not begun.", [](const Waiter&) { return true; });
}

template <class Predicate>
void WorkerCore::hand_back(std::string_view why, Predicate whose) {
  remove_waiters([&](const Work& work, const Waiter& waiter) {
    if (work.stage == Stage::kInferring || !whose(waiter)) return false;
    fail(waiter.link, work.key.job, waiter.attempt, FailCode::kDraining, true, std::string(why));
    return true;
  });
}

// BYE on every link that is drained and answered; the end once all are.
void WorkerCore::say_goodbyes() {
  const bool draining = state_ == WorkerState::kDraining;
  for (auto link = links_.begin(); link != links_.end();) {
    const bool leaving = link->second.leaving();
    if ((draining || leaving) && held(link->first) == 0) {
      actions_.push_back(SendBye{link->first, leaving ? link->second.goodbye : drain_reason_});
      const std::string manager = std::move(link->second.manager_id);
      link = links_.erase(link);
      forget_idle(manager);
    } else {
      ++link;
    }
  }
  if (draining && links_.empty()) leave(0, {}, drain_reason_);
}

void WorkerCore::leave(int exit_code, std::string_view bye_reason, std::string reason) {
  for (const auto& [id, link] : links_) actions_.push_back(SendBye{id, std::string(bye_reason)});
  links_.clear();
  work_.clear();
  transition(WorkerState::kLeft);
  actions_.push_back(Leave{exit_code, std::move(reason)});
}

// ---- small things -----------------------------------------------------------------------------

void WorkerCore::fail(LinkId link, JobId job, std::uint32_t attempt, FailCode code, bool retriable,
                      std::string text) {
  ++counters_.failed;
  if (code == FailCode::kDraining || code == FailCode::kOverCredit) ++counters_.returned;
  actions_.push_back(SendFail{link, {job, attempt, code, retriable, std::move(text)}});
}

// With its account: what was given up cost its decoding alone.
WorkerCore::WorkMap::iterator WorkerCore::erase(WorkMap::iterator work) {
  const std::string manager = work->second.key.manager_id;
  if (work->second.charged != FairTurns::Duration::zero()) {
    turns_.ends(manager, work->second.charged, work->second.decode);
  }
  const auto next = work_.erase(work);
  forget_idle(manager);
  return next;
}

void WorkerCore::forget_idle(const std::string& manager) {
  const auto its = [&](const auto& entry) { return entry.second.manager_id == manager; };
  const auto work = [&](const auto& entry) { return entry.second.key.manager_id == manager; };
  if (std::none_of(links_.begin(), links_.end(), its) &&
      std::none_of(work_.begin(), work_.end(), work)) {
    turns_.forget(manager);
  }
}

// Removes waiters, and then the work that nobody waits for and that no thread has in hand.
template <class Predicate>
void WorkerCore::remove_waiters(Predicate remove) {
  for (auto it = work_.begin(); it != work_.end();) {
    Work& work = it->second;
    std::erase_if(work.waiters, [&](const Waiter& waiter) { return remove(work, waiter); });
    it = work.waiters.empty() && !in_hand(work.stage) ? erase(it) : std::next(it);
  }
}

WorkerCore::WorkMap::iterator WorkerCore::find(const JobKey& key) {
  return std::find_if(work_.begin(), work_.end(),
                      [&](const auto& entry) { return entry.second.key == key; });
}

std::size_t WorkerCore::count(Stage stage) const {
  return static_cast<std::size_t>(std::count_if(
      work_.begin(), work_.end(), [&](const auto& entry) { return entry.second.stage == stage; }));
}

std::size_t WorkerCore::held(LinkId link) const {
  std::size_t n = 0;
  for (const auto& [id, work] : work_) {
    n += static_cast<std::size_t>(
        std::count_if(work.waiters.begin(), work.waiters.end(),
                      [&](const Waiter& waiter) { return waiter.link == link; }));
  }
  return n;
}

void WorkerCore::transition(WorkerState to) {
  const bool allowed = transition_allowed(state_, to);
  assert(allowed);
  if (allowed) state_ = to;
}

}  // namespace imgrec::worker
