#include "client/core/classify_core.h"

#include <algorithm>
#include <utility>

namespace imgrec::client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstWait(500);
constexpr milliseconds kLongestWait(10'000);
constexpr milliseconds kBusyWait(2'000);  // where a busy server does not say how long
constexpr milliseconds kLongestBusyWait(300'000);
constexpr milliseconds kPollFirst(500);  // sweeps where there is no socket
constexpr milliseconds kPollLongest(3'000);
constexpr milliseconds kPollBesideSocket(15'000);
constexpr milliseconds kStopPatience(5'000);  // to delete what was sent, once interrupted
constexpr unsigned kMaxTries = 6;             // that count, of one file
constexpr unsigned kMaxPages = 10'000;        // of one sweep: two million images
constexpr std::size_t kMaxEarly = 4096;

}  // namespace

ClassifyCore::ClassifyCore(ClassifyOptions options)
    : options_(std::move(options)), sweep_period_(kPollFirst) {}

std::vector<Action> ClassifyCore::on_event(Event event, TimePoint now) {
  actions_.clear();
  if (!ended_) {
    std::visit([&](auto&& e) { handle(std::move(e), now); }, std::move(event));
  }
  if (!ended_) advance(now);
  return std::exchange(actions_, {});
}

std::optional<TimePoint> ClassifyCore::next_deadline() const {
  if (ended_) return std::nullopt;
  TimePoint next = stopping() ? *stop_by_ : give_up_at();
  const auto sooner = [&](TimePoint at) { next = std::min(next, at); };
  if (paused_until_) sooner(*paused_until_);
  if (stopping()) return next;
  if (socket_ == Socket::kClosed) sooner(socket_at_);
  if (!sweep_ && !by_id_.empty()) {
    sooner(paused_until_ ? std::max(sweep_at_, *paused_until_) : sweep_at_);
  }
  return next;
}

Progress ClassifyCore::progress() const {
  Progress progress{options_.files, recognised_, failed_, by_id_.size(), not_deleted_, bytes_sent_};
  if (paused_until_ && busy_) {
    progress.connection = Connection::kBusy;
  } else if (!heard_ever_) {
    progress.connection = Connection::kConnecting;
  } else {
    progress.connection = last_failure_.empty() ? Connection::kOnline : Connection::kLost;
  }
  return progress;
}

// ---- uploads ----------------------------------------------------------------------------------

void ClassifyCore::handle(Started&&, TimePoint now) { progress_at_ = socket_at_ = sweep_at_ = now; }

void ClassifyCore::handle(UploadProgressed&& event, TimePoint now) {
  const auto file = files_.find(event.file);
  if (file == files_.end() || event.sent <= file->second.furthest) return;
  bytes_sent_ += event.sent - file->second.furthest;
  file->second.furthest = event.sent;
  progressed(now);
}

void ClassifyCore::handle(UploadEnded&& event, TimePoint now) {
  const auto file = files_.find(event.file);
  if (file == files_.end() || file->second.stage != Stage::kSending) return;
  --sending_;
  if (auto* image = std::get_if<ServerImage>(&event.answer)) {
    accepted(file, std::move(*image), now);
  } else {
    not_accepted(file, std::move(std::get<Failure>(event.answer)), now);
  }
  if (sending_ == 0 && again_.empty()) early_.clear();
}

void ClassifyCore::accepted(Files::iterator file, ServerImage image, TimePoint now) {
  heard(now);
  progressed(now);
  const ImageId id = image.id;
  if (by_id_.empty()) {  // of what was just accepted there is no news to be read
    sweep_at_ =
        std::max(sweep_at_, now + (socket_ == Socket::kOpen ? kPollBesideSocket : kPollFirst));
  }
  if (!by_id_.emplace(id, file->first).second) {
    settle(file, OutcomeKind::kRejected, "bad_answer",
           "the server gave this file the id of another one", now);
    return;
  }
  file->second.id = id;
  file->second.stage = Stage::kOpen;
  // Its result may have been told while nobody knew that the image was ours.
  if (file->second.sent_before) sweep_at_ = std::min(sweep_at_, now + kPollFirst);
  if (stopping()) deletions_.push_back(id);
  const auto early = early_.find(id);
  if (image.settled()) {
    learn(file, std::move(image), /*complete=*/true, now);
  } else if (early != early_.end()) {
    learn(file, std::move(early->second), /*complete=*/false, now);
  }
  early_.erase(id);
}

void ClassifyCore::not_accepted(Files::iterator file, Failure failure, TimePoint now) {
  File& state = file->second;
  const bool final = failure.kind == FailureKind::kRejected || failure.kind == FailureKind::kGone ||
                     failure.kind == FailureKind::kLocal;
  if (final) {
    if (failure.kind != FailureKind::kLocal) heard(now);
    return settle(file, OutcomeKind::kRejected, std::move(failure.code), std::move(failure.detail),
                  now);
  }
  const bool lost = failure.kind == FailureKind::kNetwork;
  const bool counts = lost ? socket_ == Socket::kOpen || (heard_ever_ && heard_at_ >= state.begun)
                           : failure.kind == FailureKind::kServer;
  state.sent_before = true;
  if (counts && ++state.tries >= kMaxTries) {
    return settle(file, OutcomeKind::kRejected, lost ? "not_sent" : std::move(failure.code),
                  std::to_string(kMaxTries) + " tries failed, the last so: " + failure.detail, now);
  }
  if (failure.kind == FailureKind::kBusy) accept_limit();
  state.stage = Stage::kWaiting;
  again_.insert(file->first);
  (void)pause(failure, state.tries, now);
}

// ---- the socket -------------------------------------------------------------------------------

void ClassifyCore::handle(SocketOpened&& event, TimePoint now) {
  heard(now);
  socket_ = Socket::kOpen;
  socket_failures_ = 0;
  if (!busy_) paused_until_.reset();
  // Of a session that others use too, only what comes from now on is awaited. And a number below
  // those that we saw means other data than before: nothing above it was told yet.
  const bool joins = !greeted_ && !options_.own_session;
  if (joins || event.seq < seq_) seq_ = event.seq;
  greeted_ = true;
  sweep_again_ = sweep_.has_value();
  sweep_at_ = now;
}

void ClassifyCore::handle(SocketResult&& event, TimePoint now) {
  heard(now);
  seq_ = std::max(seq_, event.seq);
  const ImageId id = event.image.id;
  const auto file = open_file(id);
  if (file != files_.end()) {
    learn(file, std::move(event.image), /*complete=*/false, now);
  } else if ((sending_ > 0 || !again_.empty()) && early_.size() < kMaxEarly) {
    early_.insert_or_assign(id, std::move(event.image));
  }
}

void ClassifyCore::handle(SocketHint&& event, TimePoint now) {
  heard(now);
  if (by_id_.contains(event.id)) progressed(now);
}

void ClassifyCore::handle(SocketDeleted&& event, TimePoint now) {
  heard(now);
  forget(event.id, "deleted", "somebody deleted it at the server before its result was there", now);
}

void ClassifyCore::handle(SocketLost&& event, TimePoint now) {
  socket_ = Socket::kClosed;
  sweep_period_ = kPollFirst;
  sweep_at_ = std::min(sweep_at_, now + kPollFirst);
  if (event.why.kind == FailureKind::kRefused) return end(Ending::kRefused, event.why.detail);
  if (event.why.kind == FailureKind::kNetwork) {
    last_failure_ = event.why.detail;
  } else {
    heard(now);
  }
  socket_at_ = now + event.why.retry_after.value_or(backoff(socket_failures_++));
}

// ---- REST -------------------------------------------------------------------------------------

void ClassifyCore::handle(PageRead&& event, TimePoint now) {
  if (!sweep_) return;
  if (auto* page = std::get_if<ImagePage>(&event.answer)) {
    heard(now);
    page_came(std::move(*page), now);
    return;
  }
  sweep_.reset();
  sweep_at_ = now + kPollFirst;
  (void)pause(std::get<Failure>(event.answer), 0, now);
}

void ClassifyCore::page_came(ImagePage page, TimePoint now) {
  for (ServerImage& image : page.images) {
    sweep_->missing.erase(image.id);
    const auto file = open_file(image.id);
    if (file != files_.end()) learn(file, std::move(image), /*complete=*/true, now);
  }
  std::erase_if(sweep_->missing, [&](const ImageId& id) { return !by_id_.contains(id); });
  ++sweep_->pages;
  const bool last = page.next.empty();
  if (!last && !sweep_->missing.empty() && sweep_->pages < kMaxPages) {
    actions_.push_back(ReadPage{std::move(page.next)});
    return;
  }
  const std::set<ImageId> missing = std::move(sweep_->missing);
  sweep_.reset();
  if (last) {
    for (const ImageId& id : missing) {
      forget(id, "gone", "the server no longer has this image", now);
    }
  }
  sweep_at_ = now + (socket_ == Socket::kOpen ? kPollBesideSocket : sweep_period_);
  sweep_period_ = std::min(kPollLongest, sweep_period_ * 3 / 2);
  if (std::exchange(sweep_again_, false)) sweep_at_ = now;
}

void ClassifyCore::handle(ImageRead&& event, TimePoint now) {
  --reading_;
  const auto file = open_file(event.id);
  if (auto* failure = std::get_if<Failure>(&event.answer)) {
    if (file == files_.end()) return;
    if (failure->kind == FailureKind::kGone || failure->kind == FailureKind::kRejected) {
      // What the socket told is better than nothing.
      return settle(file, OutcomeKind::kRecognised, {}, {}, now);
    }
    reads_.push_back(event.id);
    (void)pause(*failure, 0, now);
    return;
  }
  heard(now);
  if (file == files_.end()) return;
  learn(file, std::move(std::get<ServerImage>(event.answer)), /*complete=*/true, now);
}

void ClassifyCore::handle(DeleteEnded&& event, TimePoint now) {
  --deletions_under_way_;
  const bool gone = !event.failure || event.failure->kind == FailureKind::kGone;
  if (gone) {
    heard(now);
    progressed(now);
    deleting_.erase(event.id);
    return;
  }
  const bool may_pass = event.failure->kind == FailureKind::kNetwork ||
                        event.failure->kind == FailureKind::kBusy ||
                        event.failure->kind == FailureKind::kServer;
  const unsigned tries = ++deleting_[event.id];
  if (may_pass && tries < kMaxTries) {
    deletions_.push_back(event.id);
    (void)pause(*event.failure, tries, now);
    return;
  }
  deleting_.erase(event.id);
  ++not_deleted_;
  actions_.push_back(TellNotDeleted{event.id, event.failure->detail});
}

// ---- what becomes of a file -------------------------------------------------------------------

void ClassifyCore::learn(Files::iterator file, ServerImage image, bool complete, TimePoint now) {
  if (!image.settled()) return;
  if (image.state == ImageState::kFailed) {
    std::string code = image.error_code;
    std::string detail = image.error_detail;
    file->second.outcome.image = std::move(image);
    return settle(file, OutcomeKind::kFailed, std::move(code), std::move(detail), now);
  }
  const bool wants_more =
      !complete && options_.top > kSocketTop && image.top.size() >= kSocketTop && !stopping();
  if (wants_more && file->second.stage == Stage::kReading) return;
  if (wants_more) reads_.push_back(image.id);
  file->second.outcome.image = std::move(image);
  if (wants_more) {
    file->second.stage = Stage::kReading;
    progressed(now);
    return;
  }
  settle(file, OutcomeKind::kRecognised, {}, {}, now);
}

void ClassifyCore::settle(Files::iterator file, OutcomeKind kind, std::string code,
                          std::string detail, TimePoint now) {
  File& state = file->second;
  if (!state.id.empty()) by_id_.erase(state.id);
  if (state.outcome.image) {
    auto& top = state.outcome.image->top;
    if (top.size() > options_.top) top.resize(options_.top);
    if (options_.remove_after && !stopping()) deletions_.push_back(state.id);
  }
  ++(kind == OutcomeKind::kRecognised ? recognised_ : failed_);
  state.stage = Stage::kSettled;
  state.outcome.file = file->first;
  state.outcome.kind = kind;
  state.outcome.code = std::move(code);
  state.outcome.detail = std::move(detail);
  sweep_period_ = kPollFirst;
  if (state.outcome.image) outgrow_limit();
  progressed(now);
}

void ClassifyCore::accept_limit() {
  most_open_ = std::max<std::size_t>(1, by_id_.size());
  settled_at_limit_ = 0;
}

void ClassifyCore::outgrow_limit() {
  if (!most_open_ || ++settled_at_limit_ < *most_open_) return;
  ++*most_open_;
  settled_at_limit_ = 0;
}

void ClassifyCore::forget(const ImageId& id, const std::string& code, const std::string& detail,
                          TimePoint now) {
  const auto file = open_file(id);
  if (file == files_.end() || stopping()) return;
  if (file->second.stage == Stage::kReading) {
    return settle(file, OutcomeKind::kRecognised, {}, {}, now);  // its result is known
  }
  settle(file, OutcomeKind::kFailed, code, detail, now);
}

ClassifyCore::Files::iterator ClassifyCore::open_file(const ImageId& id) {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? files_.end() : files_.find(known->second);
}

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
  sweep_.emplace();
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
      return 1;
    case Ending::kComplete:
      break;
  }
  return progress.failed == 0 && progress.not_deleted == 0 ? 0 : 1;
}

}  // namespace imgrec::client
