// When ClassifyCore does what: pauses, tries again, gives up, ends. See classify_core.h.
#include <algorithm>
#include <utility>

#include "client/core/classify_core.h"
#include "client/core/pace.h"

namespace imgrec::client {

using std::chrono::milliseconds;

// ---- time -------------------------------------------------------------------------------------

void ClassifyCore::handle(Interrupted&&, TimePoint now) {
  const bool leaves_images =
      sending_ > 0 || !by_id_.empty() || !deletions_.empty() || deletions_under_way_ > 0;
  if (stopping() || !options_.remove_after || !leaves_images) {
    return end(Ending::kInterrupted, "interrupted");
  }
  stop_by_ = now + kStopPatience;
  for (const auto& [id, file] : by_id_) deletions_.push_back(id);
}

void ClassifyCore::handle(Tick&&, TimePoint) {}

void ClassifyCore::heard(TimePoint now) {
  if (!heard_ever_) progressed(now);
  heard_ever_ = true;
  heard_at_ = now;
  failures_ = 0;
  last_failure_.clear();
}

void ClassifyCore::progressed(TimePoint now) { progress_at_ = now; }

bool ClassifyCore::pause(const Failure& failure, unsigned tries, TimePoint now) {
  if (failure.kind == FailureKind::kRefused) {
    end(Ending::kRefused, failure.detail);
    return false;
  }
  TimePoint until = now;
  if (failure.kind == FailureKind::kNetwork) {
    last_failure_ = failure.detail;
    if (paused(now)) return true;  // one outage, however many calls it broke
    until += backoff(failures_++);
  } else {
    heard(now);
    const milliseconds asked = failure.kind == FailureKind::kBusy
                                   ? failure.retry_after.value_or(kBusyWait)
                                   : failure.retry_after.value_or(backoff(tries));
    // Not sooner than asked, and not all clients at once.
    until += std::min(asked, kLongestBusyWait) +
             milliseconds(static_cast<std::int64_t>(250 * options_.random()));
    busy_ = true;
  }
  paused_until_ = std::max(paused_until_.value_or(until), until);
  return true;
}

milliseconds ClassifyCore::backoff(unsigned failures) const {
  const milliseconds ceiling = std::min(kLongestWait, kFirstWait * (1u << std::min(failures, 6u)));
  return milliseconds(static_cast<std::int64_t>(static_cast<double>(ceiling.count()) *
                                                (1 + options_.random()) / 2));
}

TimePoint ClassifyCore::give_up_at() const {
  return progress_at_ +
         (heard_ever_ ? options_.timeout : std::min(options_.timeout, options_.connect_patience));
}

void ClassifyCore::advance(TimePoint now) {
  if (paused_until_ && now >= *paused_until_) {
    paused_until_.reset();
    busy_ = false;
  }
  tell();
  if (all_done()) return end(stopping() ? Ending::kInterrupted : Ending::kComplete, "interrupted");
  give_up_in_time(now);
  if (ended_) return;
  if (!paused(now)) start_deletions();
  if (stopping()) return;
  open_socket(now);
  if (paused(now)) return;
  start_uploads(now);
  start_reads();
  start_sweep(now);
}

bool ClassifyCore::all_done() const {
  if (!deletions_.empty() || deletions_under_way_ > 0) return false;
  return stopping() ? sending_ == 0 : told_ == options_.files;
}

void ClassifyCore::give_up_in_time(TimePoint now) {
  if (stopping()) {
    if (now >= *stop_by_) end(Ending::kInterrupted, "interrupted, and the server did not answer");
    return;
  }
  if (now < give_up_at()) return;
  if (!heard_ever_ || !last_failure_.empty()) {
    return end(Ending::kUnreachable, last_failure_.empty() ? "no answer came" : last_failure_);
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.timeout).count();
  end(Ending::kTimedOut, "nothing moved for " + std::to_string(seconds) + " s" +
                             (busy_ ? ": the server asks to try again later"
                                    : ": the server answers, but has no results"));
}

void ClassifyCore::open_socket(TimePoint now) {
  if (socket_ != Socket::kClosed || now < socket_at_) return;
  socket_ = Socket::kOpening;
  const bool resumes = greeted_ || options_.own_session;
  actions_.push_back(OpenSocket{resumes ? std::optional(seq_) : std::nullopt});
}

void ClassifyCore::start_uploads(TimePoint now) {
  while (sending_ < options_.parallel && (!most_open_ || sending_ + by_id_.size() < *most_open_)) {
    FileId file{next_};
    if (!again_.empty()) {
      file = *again_.begin();
      again_.erase(again_.begin());
    } else if (next_ < options_.files && next_ < told_ + options_.window) {
      ++next_;
    } else {
      return;
    }
    File& state = files_[file];
    state.stage = Stage::kSending;
    state.begun = now;
    ++sending_;
    actions_.push_back(StartUpload{file});
  }
}

void ClassifyCore::start_reads() {
  while (!reads_.empty() && reading_ < options_.parallel) {
    if (by_id_.contains(reads_.front())) {
      ++reading_;
      actions_.push_back(ReadImage{reads_.front()});
    }
    reads_.pop_front();
  }
}

void ClassifyCore::start_deletions() {
  while (!deletions_.empty() && deletions_under_way_ < options_.parallel) {
    ++deletions_under_way_;
    actions_.push_back(DeleteImage{deletions_.front()});
    deletions_.pop_front();
  }
}

void ClassifyCore::start_sweep(TimePoint now) {
  if (sweep_ || by_id_.empty() || now < sweep_at_) return;
  sweep_.emplace(Sweep{});  // emplace() alone does not compile with clang 14
  for (const auto& [id, file] : by_id_) sweep_->missing.insert(id);
  actions_.push_back(ReadPage{});
}

// ---- outcomes ---------------------------------------------------------------------------------

void ClassifyCore::tell() {
  for (auto first = files_.begin(); first != files_.end() && first->first.value == told_ &&
                                    first->second.stage == Stage::kSettled;
       first = files_.erase(first)) {
    actions_.push_back(std::move(first->second.outcome));
    ++told_;
  }
}

// Every file gets an outcome, though not the one that was hoped for.
void ClassifyCore::tell_rest() {
  for (; told_ < options_.files; ++told_) {
    TellOutcome outcome;
    outcome.file = FileId{told_};
    outcome.code = "not_sent";
    outcome.detail = "it was not sent before everything was given up";
    const auto begun = files_.find(outcome.file);
    if (begun != files_.end() && begun->second.stage == Stage::kSettled) {
      outcome = std::move(begun->second.outcome);
    } else {
      ++failed_;
      if (begun != files_.end() && !begun->second.id.empty()) {
        outcome.code = "no_result";
        outcome.detail = "the server has it, but its result did not come in time";
      }
    }
    actions_.push_back(std::move(outcome));
  }
}

void ClassifyCore::end(Ending ending, std::string reason) {
  if (ended_) return;
  ended_ = true;
  const bool lost = ending == Ending::kTimedOut || ending == Ending::kUnreachable;
  if (lost && heard_ever_) {
    tell_rest();
  } else {
    for (auto& [id, file] : files_) {
      if (file.stage == Stage::kSettled) actions_.push_back(std::move(file.outcome));
    }
  }
  actions_.push_back(End{ending, ending == Ending::kComplete ? std::string() : std::move(reason)});
}

int exit_code(Ending ending, const Progress& progress) {
  switch (ending) {
    case Ending::kInterrupted:
      return 130;
    case Ending::kUnreachable:
    case Ending::kRefused:
      return 3;
    case Ending::kTimedOut:
    case Ending::kNoOutput:
      return 1;
    case Ending::kComplete:
      break;
  }
  return progress.failed == 0 && progress.not_deleted == 0 ? 0 : 1;
}

}  // namespace imgrec::client
